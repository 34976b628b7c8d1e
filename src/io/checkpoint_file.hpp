/// One checkpoint on disk: the state of a running phase and the result so far, in natural order so
/// that any number of ranks can go on, sealed so that damage is noticed before anything is used.
///
/// An HDF5 file behind a block of 512 bytes that names the format's version, the file's size and a
/// checksum of all its bytes. A file without a valid seal is never handed to HDF5.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mpi.h>

#include "io/hdf5.hpp"
#include "io/result_file.hpp"

namespace komori::io {

/// What problem a checkpoint belongs to: dotted input keys and their values.
using Identity = std::vector<std::pair<std::string, std::string>>;

class CheckpointReader;

/// Writes one checkpoint. All functions are collective; they throw std::runtime_error on all ranks
/// alike where the file system refuses.
class CheckpointWriter {
public:
  /// Begins "<path>.partial"; it becomes `path` with `commit`.
  CheckpointWriter(MPI_Comm comm, const std::string& path, const Identity& identity,
                   const std::string& phase);
  /// A distributed array of the running phase.
  void field(const std::string& name, std::span<const double> local, const Slab& slab);
  /// Numbers that all ranks hold alike.
  void numbers(const std::string& name, const std::vector<double>& values);
  /// What another checkpoint holds of its phase under names that are not used here.
  void rest_of(const CheckpointReader& other);
  /// Everything written to a result so far, and the sections it completes.
  void result(const ResultFile& result, const std::vector<std::string>& done);
  /// How many runs in a row have left without progress, this one included.
  void fruitless(int runs);
  /// Seals the file, flushes it to disk, gives it its name.
  void commit();

private:
  MPI_Comm comm_;
  ResultFile file_;
};

/// Reads one checkpoint. All functions are collective.
class CheckpointReader {
public:
  /// Throws InputError, on all ranks alike, where the file is absent, empty, truncated, damaged,
  /// foreign, or of another format version.
  CheckpointReader(MPI_Comm comm, std::string path);

  const std::string& path() const noexcept { return path_; }
  const std::string& phase() const noexcept { return phase_; }
  const Identity& identity() const noexcept { return identity_; }
  /// The sections that were complete.
  const std::vector<std::string>& done() const noexcept { return done_; }
  /// How many runs in a row had left without progress.
  int fruitless() const noexcept { return fruitless_; }
  bool has(const std::string& name) const;
  /// This rank's block of an array whose shape is `slab.shape`.
  std::vector<double> field(const std::string& name, const Slab& slab) const;
  std::vector<double> numbers(const std::string& name) const;
  /// Copies the result so far into a new, empty result file.
  void result(const ResultFile& result) const;
  /// The open file. Local.
  hid_t handle() const noexcept { return file_.get(); }

private:
  MPI_Comm comm_;
  std::string path_;
  File file_;
  std::string phase_;
  Identity identity_;
  std::vector<std::string> done_;
  int fruitless_ = 0;
};

} // namespace komori::io
