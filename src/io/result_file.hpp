/// The result of a run: one HDF5 file, written by all ranks, that appears whole or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "io/attributes.hpp"
#include "io/hdf5.hpp"

namespace komori::io {

/// Part of a distributed array that one rank holds: the global shape, and where its block lies.
/// Counts are 0 on a rank that owns nothing. The blocks of all ranks cover the array once.
struct Slab {
  std::vector<hsize_t> shape;
  std::vector<hsize_t> start;
  std::vector<hsize_t> count;
};

/// All functions are collective, except where marked. They throw base::Error, with a text that
/// names the file, on all ranks alike; nothing is left of the file then.
///
/// Datasets are in natural order (last axis fastest) whatever the rank count, little-endian doubles
/// unless said otherwise; groups come into being as needed. MPI-IO may lose data on a full disk
/// without a word, so room is set aside before writing where the file system can do that, and
/// `commit` compares what the disk holds with what was written.
class ResultFile {
public:
  /// Checks that a result can be written there, before any work is done: the folder exists and is
  /// writable, `path` is no folder, and it does not exist unless `overwrite`. Throws InputError.
  static void require_writable(MPI_Comm comm, const std::string& path, bool overwrite);

  /// Opens a temporary file beside `path`. Without `commit` it vanishes with this object. The first
  /// `user_block` bytes (0, 512, 1024, 2048, ...) are kept free. Unless `overwrite`, `commit`
  /// leaves alone a file that has come into being at `path` meanwhile. One collective write moves
  /// at most `values_at_once` numbers per rank.
  ResultFile(MPI_Comm comm, std::string path, hsize_t user_block = 0, bool overwrite = true,
             hsize_t values_at_once = hsize_t{1} << 27);
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;
  ~ResultFile();

  /// A distributed array; `local` is this rank's block in natural order.
  void write(const std::string& name, std::span<const double> local, const Slab& slab,
             const Attributes& attributes);
  /// An array of the given shape to be filled entry by entry of its first axis. Entries that are
  /// not written before `commit` become NaN.
  void create(const std::string& name, const std::vector<hsize_t>& shape,
              const Attributes& attributes);
  /// Fills entry `index` of the first axis, once; `slab` describes the other axes.
  void write_leading(const std::string& name, hsize_t index, std::span<const double> local,
                     const Slab& slab);
  /// A small array, or a single number if `shape` is empty. Rank 0's values count; all ranks pass
  /// the same shape.
  void write_small(const std::string& name, std::span<const double> values,
                   const std::vector<hsize_t>& shape, const Attributes& attributes);
  /// The same for 64-bit integers.
  void write_integers(const std::string& name, std::span<const std::int64_t> values,
                      const std::vector<hsize_t>& shape, const Attributes& attributes);
  /// A list of texts. Rank 0's count; all ranks pass as many.
  void write_strings(const std::string& name, const std::vector<std::string>& values,
                     const Attributes& attributes);
  /// One text. Rank 0's counts.
  void write_text(const std::string& name, const std::string& text, const Attributes& attributes);
  /// Attributes of a group ("/" for the file), the same on all ranks; those of the same name are
  /// replaced.
  void annotate(const std::string& group, const Attributes& attributes);

  /// Whether a dataset or group of this name exists.
  bool contains(const std::string& name) const;
  /// The shape of a dataset, empty if there is none of this name.
  std::vector<hsize_t> shape(const std::string& name) const;
  /// Local.
  const std::string& path() const noexcept { return path_; }
  /// The open file for HDF5's whole interface. What is written that way is not compared with the
  /// disk. Local.
  hid_t handle() const noexcept { return file_.get(); }

  /// Flushes to disk, compares, and gives the file its name. Before that, the closed file is handed
  /// to `seal` by its temporary name. The last call.
  void commit(const std::function<void(const std::string& temporary)>& seal = {});

private:
  /// A dataset of doubles that was created here, as written so far.
  struct Written {
    std::vector<hsize_t> shape;
    std::uint64_t fingerprint = 0; ///< of the values this rank wrote
    std::vector<bool> entries{};   ///< which of the first axis are there, if written one by one
  };

  /// Runs `body`, and throws on all ranks what any of them threw.
  void together(const std::function<void()>& body);
  Dataset create_dataset(const std::string& name, hid_t type, const std::vector<hsize_t>& shape,
                         const Attributes& attributes);
  void transfer(const std::string& name, std::span<const double> local, const Slab& slab,
                hsize_t values);
  void write_by_first(const std::string& name, hid_t type, const std::vector<hsize_t>& shape,
                      const void* data, const Attributes& attributes);
  void fill_missing();
  void close();
  void compare_with_disk();
  bool everybody_gives_up() const;

  MPI_Comm comm_;
  int rank_ = 0;
  std::string path_;
  std::string temporary_;
  bool overwrite_;
  hsize_t values_at_once_;
  File file_;
  hsize_t end_ = 0; ///< byte after the last dataset's values; up to there the disk has room
  std::map<std::string, Written> written_;
  bool failed_ = false;   ///< something could not be written
  bool finished_ = false; ///< the temporary file is whole, or has its name
};

} // namespace komori::io
