#include "io/result_file.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/unfinished.hpp"
#include "io/disk.hpp"
#include "io/fingerprint.hpp"
#include "io/layers.hpp"

namespace komori::io {
namespace {

/// How long a rank that drops an unfinished file waits for the others to drop it, too.
constexpr auto patience = std::chrono::seconds(5);

hsize_t product(const std::vector<hsize_t>& counts, std::size_t first = 0) {
  return std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(first), counts.end(),
                         hsize_t{1}, std::multiplies<>());
}

/// Creates the groups above the last part of an absolute name that are not there yet, without
/// times: the same values make the same file, whenever it is written.
void create_groups(hid_t file, const std::string& name) {
  const PropertyList creation(H5Pcreate(H5P_GROUP_CREATE), "group properties");
  check_hdf5(H5Pset_obj_track_times(creation.get(), false), "group properties");
  for (std::size_t end = name.find('/', 1); end != std::string::npos;
       end = name.find('/', end + 1)) {
    const std::string group = name.substr(0, end);
    if (H5Lexists(file, group.c_str(), H5P_DEFAULT) > 0) continue;
    const Group created(H5Gcreate2(file, group.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                        "group '" + group + "'");
  }
}

/// Where share `rank` of `size` equal shares of `count` entries begins.
hsize_t share_start(hsize_t count, int rank, int size) {
  const auto parts = static_cast<hsize_t>(size);
  const auto part = static_cast<hsize_t>(rank);
  return count / parts * part + std::min(part, count % parts);
}

/// Why a block does not fit its array, empty if it does.
std::string misfit(std::size_t values, const Slab& slab) {
  const auto& [shape, start, count] = slab;
  bool inside = start.size() == shape.size() && count.size() == shape.size();
  for (std::size_t k = 0; inside && k < shape.size(); ++k) {
    inside = start[k] <= shape[k] && count[k] <= shape[k] - start[k];
  }
  if (!inside) {
    return fmt::format("a block of [{}] from [{}] lies outside the array of [{}]",
                       fmt::join(count, ", "), fmt::join(start, ", "), fmt::join(shape, ", "));
  }
  // A single number is written by one rank; its block has no axes that could say which.
  if (values != product(count) && !(shape.empty() && values == 0)) {
    return fmt::format("a block of {} values came with {}", product(count), values);
  }
  return {};
}

Dataspace dataspace(const std::vector<hsize_t>& shape) {
  return {shape.empty() ? H5Screate(H5S_SCALAR)
                        : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
          "dataspace"};
}

void write_layer(const Dataset& dataset, const Layer& layer, std::span<const double> local) {
  const hsize_t values = layer.count.empty() ? local.size() : layer.values;
  const Dataspace in_file(H5Dget_space(dataset.get()), "dataspace");
  if (values > 0) {
    select(in_file, layer);
  } else {
    check_hdf5(H5Sselect_none(in_file.get()), "selection");
  }
  const Dataspace in_memory(H5Screate_simple(1, &values, nullptr), "memory space");
  const PropertyList transfer(H5Pcreate(H5P_DATASET_XFER), "transfer properties");
  check_hdf5(H5Pset_dxpl_mpio(transfer.get(), H5FD_MPIO_COLLECTIVE), "transfer properties");
  check_hdf5(H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, in_memory.get(), in_file.get(),
                      transfer.get(), local.data() + layer.offset),
             "values");
}

/// The same name from the root of the file.
std::string absolute(const std::string& name) {
  return name.starts_with('/') ? name : "/" + name;
}

} // namespace

void ResultFile::require_writable(MPI_Comm comm, const std::string& path, bool overwrite) {
  const std::string problem =
      base::on_first_rank(comm, [&] { return output_obstacle(path, overwrite); });
  if (!problem.empty()) throw base::InputError(problem);
}

ResultFile::ResultFile(MPI_Comm comm, std::string path, hsize_t user_block, bool overwrite,
                       hsize_t values_at_once)
    : comm_(comm), path_(std::move(path)), temporary_(temporary_name(path_)), overwrite_(overwrite),
      values_at_once_(values_at_once) {
  silence_hdf5();
  MPI_Comm_rank(comm, &rank_);
  together([&] {
    const PropertyList access(H5Pcreate(H5P_FILE_ACCESS), "file access");
    check_hdf5(H5Pset_fapl_mpio(access.get(), comm, MPI_INFO_NULL), "parallel access");
    check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_LATEST), "format");
    const PropertyList creation(H5Pcreate(H5P_FILE_CREATE), "file creation");
    check_hdf5(H5Pset_userblock(creation.get(), user_block), "user block");
    check_hdf5(H5Pset_obj_track_times(creation.get(), false), "file creation");
    file_ = File(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()),
                 "cannot create '" + temporary_ + "'");
  });
  // Of our own: a rank that drops the file alone must not meet the others in their next call.
  MPI_Comm_dup(comm, &comm_);
  base::mark_unfinished(temporary_);
}

ResultFile::~ResultFile() {
  if (file_) {
    // A full disk has no room for what is still in memory, and HDF5 cannot end with an open file.
    if (failed_ && rank_ == 0) (void)!::truncate(temporary_.c_str(), 0);
    if (!everybody_gives_up()) {
      file_.release(); // closing would wait for ranks that never come; the job is about to end
      discard(path_);
      return;
    }
    (void)file_.close();
  }
  if (!finished_ && rank_ == 0) discard(path_);
  base::mark_finished(temporary_);
  MPI_Comm_free(&comm_);
}

bool ResultFile::everybody_gives_up() const {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(comm_, &request);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int done = 0;
  while (true) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done || std::chrono::steady_clock::now() > deadline) return done != 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ResultFile::together(const std::function<void()>& body) {
  std::string problem;
  try {
    body();
  } catch (const std::exception& error) {
    problem = *error.what() ? error.what() : "failed";
  }
  const std::string first = base::first_text(comm_, problem);
  if (first.empty()) return;
  failed_ = true;
  throw base::Error(base::ExitCode::internal,
                    fmt::format("'{}' cannot be written: {}", path_, first));
}

Dataset ResultFile::create_dataset(const std::string& name, hid_t type,
                                   const std::vector<hsize_t>& shape,
                                   const Attributes& attributes) {
  Dataset dataset;
  together([&] {
    create_groups(file_.get(), name);
    const PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), "dataset properties");
    // Everything is written, so filling first would only write twice.
    check_hdf5(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "dataset properties");
    check_hdf5(H5Pset_obj_track_times(creation.get(), false), "dataset properties");
    dataset = Dataset(H5Dcreate2(file_.get(), name.c_str(), type, dataspace(shape).get(),
                                 H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                      "dataset '" + name + "'");
    write_attributes(dataset.get(), attributes);
    const haddr_t offset = H5Dget_offset(dataset.get());
    if (offset == HADDR_UNDEF) return;
    const hsize_t bytes = product(shape) * H5Tget_size(type);
    const hsize_t end = std::max<hsize_t>(end_, offset + bytes);
    const Room room = rank_ == 0 ? reserve(temporary_, end_, end) : Room{};
    end_ = end;
    if (room.problem.empty()) return;
    throw std::runtime_error(fmt::format("no room for the {:.3g} MB of '{}': {}",
                                         static_cast<double>(bytes) / 1e6, name, room.problem));
  });
  return dataset;
}

void ResultFile::transfer(const std::string& name, std::span<const double> local, const Slab& slab,
                          hsize_t values) {
  auto given = static_cast<std::uint64_t>(local.size());
  MPI_Allreduce(MPI_IN_PLACE, &given, 1, MPI_UINT64_T, MPI_SUM, comm_);
  Dataset dataset;
  together([&] {
    const std::string problem = misfit(local.size(), slab);
    if (!problem.empty()) throw std::runtime_error(fmt::format("'{}': {}", name, problem));
    if (given != values) {
      throw std::runtime_error(
          fmt::format("'{}': the ranks hold {} values in all, not {}", name, given, values));
    }
    dataset = Dataset(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), "dataset '" + name + "'");
  });
  std::string problem;
  for (const Layer& layer : layers(comm_, slab.start, slab.count, values_at_once_)) {
    // A rank that failed goes on: the others wait for it in the next collective write.
    try {
      write_layer(dataset, layer, local);
    } catch (const Hdf5Error& error) {
      problem = fmt::format("dataset '{}': {}", name, error.what());
    }
  }
  together([&] {
    if (!problem.empty()) throw std::runtime_error(problem);
  });
  const auto known = written_.find(absolute(name));
  if (known == written_.end()) return;
  known->second.fingerprint += fingerprint(local, slab.shape, slab.start, slab.count);
}

void ResultFile::write(const std::string& name, std::span<const double> local, const Slab& slab,
                       const Attributes& attributes) {
  create_dataset(name, H5T_IEEE_F64LE, slab.shape, attributes);
  written_[absolute(name)] = {.shape = slab.shape};
  transfer(name, local, slab, product(slab.shape));
}

void ResultFile::create(const std::string& name, const std::vector<hsize_t>& shape,
                        const Attributes& attributes) {
  create_dataset(name, H5T_IEEE_F64LE, shape, attributes);
  written_[absolute(name)] = {.shape = shape, .entries = std::vector<bool>(shape.at(0), false)};
}

void ResultFile::write_leading(const std::string& name, hsize_t index,
                               std::span<const double> local, const Slab& slab) {
  Slab whole{.shape = shape(name), .start = slab.start, .count = slab.count};
  whole.start.insert(whole.start.begin(), index);
  // With no other axes, the rank that has the number writes it.
  whole.count.insert(whole.count.begin(), slab.shape.empty() ? local.size() : 1);
  const auto known = written_.find(absolute(name));
  together([&] {
    if (whole.shape.empty() || index >= whole.shape[0] ||
        !std::equal(slab.shape.begin(), slab.shape.end(), whole.shape.begin() + 1,
                    whole.shape.end())) {
      throw std::runtime_error(fmt::format("'{}' has no entry {} of shape [{}]", name, index,
                                           fmt::join(slab.shape, ", ")));
    }
    if (known != written_.end() && known->second.entries.at(index)) {
      throw std::runtime_error(fmt::format("entry {} of '{}' was written before", index, name));
    }
  });
  transfer(name, local, whole, product(slab.shape));
  if (known != written_.end()) known->second.entries[index] = true;
}

void ResultFile::write_small(const std::string& name, std::span<const double> values,
                             const std::vector<hsize_t>& shape, const Attributes& attributes) {
  const std::vector<hsize_t> nothing(shape.size(), 0);
  const Slab slab{.shape = shape, .start = nothing, .count = rank_ == 0 ? shape : nothing};
  write(name, rank_ == 0 ? values : std::span<const double>{}, slab, attributes);
}

void ResultFile::write_integers(const std::string& name, std::span<const std::int64_t> values,
                                const std::vector<hsize_t>& shape, const Attributes& attributes) {
  together([&] {
    if (rank_ != 0 || values.size() == product(shape)) return;
    throw std::runtime_error(fmt::format("'{}': {} values came for an array of [{}]", name,
                                         values.size(), fmt::join(shape, ", ")));
  });
  write_by_first(name, H5T_NATIVE_INT64, shape, values.data(), attributes);
}

void ResultFile::write_by_first(const std::string& name, hid_t type,
                                const std::vector<hsize_t>& shape, const void* data,
                                const Attributes& attributes) {
  const Dataset dataset = create_dataset(name, type, shape, attributes);
  together([&] {
    if (rank_ != 0 || product(shape) == 0) return;
    check_hdf5(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
               "dataset '" + name + "'");
  });
}

void ResultFile::write_strings(const std::string& name, const std::vector<std::string>& values,
                               const Attributes& attributes) {
  unsigned long long length = longest(values);
  MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG_LONG, 0, comm_);
  const std::vector<char> buffer = padded(values, length);
  write_by_first(name, text_type(length).get(), {values.size()}, buffer.data(), attributes);
}

void ResultFile::write_text(const std::string& name, const std::string& text,
                            const Attributes& attributes) {
  unsigned long long length = text.size();
  MPI_Bcast(&length, 1, MPI_UNSIGNED_LONG_LONG, 0, comm_);
  const std::vector<char> buffer = padded({text}, length);
  write_by_first(name, text_type(length).get(), {}, buffer.data(), attributes);
}

void ResultFile::annotate(const std::string& group, const Attributes& attributes) {
  together([&] {
    if (group != "/" && !contains(group)) {
      create_groups(file_.get(), group + "/");
    }
    const Object object(H5Oopen(file_.get(), group.c_str(), H5P_DEFAULT), "'" + group + "'");
    write_attributes(object.get(), attributes);
  });
}

bool ResultFile::contains(const std::string& name) const {
  // H5Lexists wants every group on the way to exist.
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    const std::string part = name.substr(0, end);
    if (H5Lexists(file_.get(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (end == std::string::npos) return true;
  }
}

std::vector<hsize_t> ResultFile::shape(const std::string& name) const {
  if (!contains(name)) return {};
  const Object object(H5Oopen(file_.get(), name.c_str(), H5P_DEFAULT), "'" + name + "'");
  if (H5Iget_type(object.get()) != H5I_DATASET) return {};
  const Dataspace space(H5Dget_space(object.get()), "dataspace");
  std::vector<hsize_t> shape(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

void ResultFile::fill_missing() {
  int size = 1;
  MPI_Comm_size(comm_, &size);
  for (const auto& [name, written] : written_) {
    Slab slab{.shape = written.shape, .start = {}, .count = {}};
    if (!slab.shape.empty()) slab.shape.erase(slab.shape.begin());
    slab.start.assign(slab.shape.size(), 0);
    slab.count = slab.shape;
    hsize_t values = rank_ == 0 ? 1 : 0;
    if (!slab.shape.empty()) {
      slab.start[0] = share_start(slab.shape[0], rank_, size);
      slab.count[0] = share_start(slab.shape[0], rank_ + 1, size) - slab.start[0];
      values = product(slab.count);
    }
    for (std::size_t i = 0; i < written.entries.size(); ++i) {
      if (written.entries[i]) continue;
      const std::vector<double> nan(values, std::numeric_limits<double>::quiet_NaN());
      write_leading(name, i, nan, slab);
    }
  }
}

void ResultFile::close() {
  // HDF5 hangs if one rank finds no room for metadata, and crashes at the end of the program after
  // a close that failed, hence the precautions.
  together([&] {
    if (rank_ != 0) return;
    constexpr hsize_t metadata = hsize_t{1} << 20;
    Room room = reserve(temporary_, end_, end_ + metadata);
    if (!room.reserved && room.problem.empty()) room = try_room(path_, metadata);
    if (!room.problem.empty()) throw std::runtime_error(room.problem);
  });
  together([&] { check_hdf5(H5Fflush(file_.get(), H5F_SCOPE_LOCAL), "flushing"); });
  together([&] {
    if (!file_.close()) raise_hdf5("closing");
  });
}

void ResultFile::compare_with_disk() {
  int size = 1;
  MPI_Comm_size(comm_, &size);
  std::vector<std::uint64_t> offsets;
  together([&] {
    if (rank_ != 0) return;
    const PropertyList access(H5Pcreate(H5P_FILE_ACCESS), "file access");
    check_hdf5(H5Pset_file_locking(access.get(), false, true), "file access");
    const File file(H5Fopen(temporary_.c_str(), H5F_ACC_RDONLY, access.get()), "reading back");
    for (const auto& entry : written_) {
      const Dataset dataset(H5Dopen2(file.get(), entry.first.c_str(), H5P_DEFAULT), "reading back");
      offsets.push_back(H5Dget_offset(dataset.get()));
    }
  });
  offsets.resize(written_.size());
  MPI_Bcast(offsets.data(), static_cast<int>(offsets.size()), MPI_UINT64_T, 0, comm_);
  std::vector<std::uint64_t> difference;
  together([&] {
    for (const auto& [name, written] : written_) {
      const hsize_t values = product(written.shape);
      difference.push_back(written.fingerprint -
                           stored_fingerprint(temporary_, offsets[difference.size()],
                                              share_start(values, rank_, size),
                                              share_start(values, rank_ + 1, size)));
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, difference.data(), static_cast<int>(difference.size()), MPI_UINT64_T,
                MPI_SUM, comm_);
  together([&] {
    std::size_t i = 0;
    for (const auto& entry : written_) {
      if (difference[i++] == 0) continue;
      throw std::runtime_error(fmt::format("'{}' is not on the disk as it was written; is the disk "
                                           "full, or a quota used up?",
                                           entry.first));
    }
  });
}

void ResultFile::commit(const std::function<void(const std::string&)>& seal) {
  fill_missing();
  close();
  compare_with_disk();
  if (seal) together([&] { seal(temporary_); });
  finished_ = true;
  const std::string problem =
      base::on_first_rank(comm_, [&] { return publish(path_, overwrite_); });
  if (!problem.empty()) throw base::Error(base::ExitCode::internal, problem);
}

} // namespace komori::io
