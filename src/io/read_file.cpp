#include "io/read_file.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/collective.hpp"
#include "base/error.hpp"

namespace komori::io {
namespace {

namespace fs = std::filesystem;

/// What keeps `path` from being opened as HDF5, empty if nothing.
std::string obstacle(const std::string& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) return "there is no such file";
  if (!fs::is_regular_file(status)) return "this is not a file that can be read";
  if (::access(path.c_str(), R_OK) != 0) return std::strerror(errno);
  if (H5Fis_hdf5(path.c_str()) <= 0) return "this is not an HDF5 file";
  return {};
}

std::string shape_text(const std::vector<hsize_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Runs `body` and gives back what it has to say: the text it returns, or throws.
std::string problem_of(const std::function<std::string()>& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    return error.what();
  }
}

herr_t note_dataset(hid_t group, const char* name, const H5L_info_t* link, void* names) {
  auto& list = *static_cast<std::vector<std::string>*>(names);
  if (link->type != H5L_TYPE_HARD) return 0;
  const hid_t id = H5Oopen(group, name, H5P_DEFAULT);
  if (id < 0) return 0;
  const Object object(id, name);
  if (H5Iget_type(id) == H5I_DATASET) list.emplace_back(name);
  return list.size() <= ReadFile::most_datasets ? 0 : 1;
}

/// The same, and links that are no dataset of this file, but may be meant as one: they are not
/// passed over in silence.
herr_t note_dataset_or_link(hid_t group, const char* name, const H5L_info_t* link, void* names) {
  if (link->type == H5L_TYPE_HARD) return note_dataset(group, name, link, names);
  auto& list = *static_cast<std::vector<std::string>*>(names);
  const hid_t id = link->type == H5L_TYPE_SOFT ? H5Oopen(group, name, H5P_DEFAULT) : -1;
  if (id >= 0) {
    const Object object(id, name);
    if (H5Iget_type(id) != H5I_DATASET) return 0;
  }
  list.emplace_back(name);
  return list.size() <= ReadFile::most_datasets ? 0 : 1;
}

/// "it holds 'a', 'b' and 3 more datasets"
std::string contents(const File& file) {
  constexpr std::size_t shown = 12;
  std::vector<std::string> names;
  (void)H5Lvisit(file.get(), H5_INDEX_NAME, H5_ITER_INC, note_dataset, &names);
  if (names.empty()) return "it holds no datasets";
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), shown); ++i) {
    text += fmt::format("{}'{}'", i ? ", " : "", names[i]);
  }
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return "it holds " + text;
}

/// Whether every step of the name is a link within the file, and leads somewhere.
bool leads_somewhere(const File& file, const std::string& name) {
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    const std::string part = name.substr(0, end);
    if (part.empty() || H5Lexists(file.get(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    H5L_info_t link{};
    check_hdf5(H5Lget_info(file.get(), part.c_str(), &link, H5P_DEFAULT), "link '" + part + "'");
    if (link.type != H5L_TYPE_HARD && link.type != H5L_TYPE_SOFT) {
      throw std::runtime_error(fmt::format("'{}' is a link into another file; copy the data into "
                                           "this one",
                                           part));
    }
    if (H5Oexists_by_name(file.get(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (end == std::string::npos) return true;
  }
}

/// The file an object lies in.
std::string file_name(hid_t object) {
  const auto size = H5Fget_name(object, nullptr, 0);
  if (size < 0) raise_hdf5("file name");
  std::string name(static_cast<std::size_t>(size) + 1, '\0');
  H5Fget_name(object, name.data(), name.size());
  return name;
}

Dataset open_dataset(const File& file, const std::string& name) {
  if (!leads_somewhere(file, name)) {
    throw std::runtime_error(fmt::format("there is no dataset '{}'; {}", name, contents(file)));
  }
  {
    const Object object(H5Oopen(file.get(), name.c_str(), H5P_DEFAULT), "opening '" + name + "'");
    if (H5Iget_type(object.get()) != H5I_DATASET) {
      throw std::runtime_error(fmt::format("'{}' is not a dataset; {}", name, contents(file)));
    }
  }
  Dataset dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), "opening '" + name + "'");
  // A link within the file may still lead to one that leaves it.
  const bool elsewhere = file_name(dataset.get()) != file_name(file.get());
  const PropertyList creation(H5Dget_create_plist(dataset.get()), "'" + name + "'");
  if (elsewhere || H5Pget_external_count(creation.get()) > 0 ||
      H5Pget_layout(creation.get()) == H5D_VIRTUAL) {
    throw std::runtime_error(fmt::format("dataset '{}' keeps its values in another file; copy them "
                                         "into this one",
                                         name));
  }
  return dataset;
}

std::vector<hsize_t> shape_of(const Dataset& dataset, const std::string& name) {
  const Dataspace space(H5Dget_space(dataset.get()), "shape of '" + name + "'");
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) {
    throw std::runtime_error(fmt::format("dataset '{}' holds nothing", name));
  }
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) raise_hdf5("shape of '" + name + "'");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check_hdf5(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr),
             "shape of '" + name + "'");
  return shape;
}

Dataset open_numbers(const File& file, const std::string& name) {
  Dataset dataset = open_dataset(file, name);
  const Datatype type(H5Dget_type(dataset.get()), "type of '" + name + "'");
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) {
    throw std::runtime_error(fmt::format("dataset '{}' does not hold real numbers", name));
  }
  return dataset;
}

/// Entries of an array, the largest number if there are more than that.
hsize_t count_of(const std::vector<hsize_t>& shape) {
  hsize_t count = 1;
  for (const hsize_t entries : shape) {
    if (entries == 0) return 0;
    if (count > std::numeric_limits<hsize_t>::max() / entries) {
      return std::numeric_limits<hsize_t>::max();
    }
    count *= entries;
  }
  return count;
}

/// The index in the whole array of entry `position` of a block in natural order.
std::vector<hsize_t> global_index(hsize_t position, const std::vector<hsize_t>& start,
                                  const std::vector<hsize_t>& count) {
  std::vector<hsize_t> index(count.size());
  for (std::size_t k = count.size(); k-- > 0;) {
    index[k] = start[k] + position % count[k];
    position /= count[k];
  }
  return index;
}

std::string not_finite(const std::string& name, double value, const std::vector<hsize_t>& index) {
  return fmt::format("dataset '{}' holds {} at {} (counted from 0); every value must be finite",
                     name, value, shape_text(index));
}

std::string too_long(const std::string& name, hsize_t max_bytes) {
  return fmt::format("text '{}' is longer than the {} bytes that are allowed", name, max_bytes);
}

/// Memory for a text of variable length, none beyond the limit: the length is the file's word.
void* allocate_text(std::size_t bytes, void* limit) {
  auto& left = *static_cast<hsize_t*>(limit);
  if (bytes > left) {
    left = 0;
    return nullptr;
  }
  return std::malloc(bytes);
}

void free_text(void* text, void*) {
  std::free(text);
}

std::string variable_text(const Dataset& dataset, const Datatype& type, const std::string& name,
                          hsize_t max_bytes) {
  hsize_t limit = max_bytes + 1; // with the closing 0
  const PropertyList transfer(H5Pcreate(H5P_DATASET_XFER), "transfer properties");
  check_hdf5(H5Pset_vlen_mem_manager(transfer.get(), allocate_text, &limit, free_text, nullptr),
             "transfer properties");
  char* buffer = nullptr;
  const herr_t status =
      H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, transfer.get(), &buffer);
  if (status < 0 && limit == 0) throw std::runtime_error(too_long(name, max_bytes));
  check_hdf5(status, "text '" + name + "' cannot be read");
  const std::string text = buffer ? buffer : "";
  std::free(buffer);
  return text;
}

bool is_not_finite(double value) {
  return !std::isfinite(value);
}

} // namespace

ReadFile::ReadFile(MPI_Comm comm, std::string path) : comm_(comm), path_(std::move(path)) {
  silence_hdf5();
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  agree(rank == 0 ? problem_of([&] { return obstacle(path_); }) : std::string());
  agree(problem_of([&]() -> std::string {
    // Every rank reads for itself: what is wrong with a file may show on one rank only, and in a
    // collective read the others would wait for it.
    const PropertyList access(H5Pcreate(H5P_FILE_ACCESS), "file access");
    check_hdf5(H5Pset_file_locking(access.get(), false, true), "file access");
    check_hdf5(H5Pset_sieve_buf_size(access.get(), std::size_t{1} << 22), "file access");
    file_ = File(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()),
                 "the file is damaged or incomplete");
    return {};
  }));
}

void ReadFile::agree(const std::string& problem) const {
  std::string first = base::first_text(comm_, problem);
  if (first.empty()) return;
  // Names from the file may hold anything; the message stays one printable line.
  std::replace_if(
      first.begin(), first.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  throw base::InputError(fmt::format("'{}': {}", path_, first));
}

bool ReadFile::contains(const std::string& name) const {
  bool found = false;
  agree(problem_of([&]() -> std::string {
    if (!leads_somewhere(file_, name)) return {};
    const Object object(H5Oopen(file_.get(), name.c_str(), H5P_DEFAULT), "opening '" + name + "'");
    found = H5Iget_type(object.get()) == H5I_DATASET;
    return {};
  }));
  return found;
}

std::vector<std::string> ReadFile::datasets() const {
  std::vector<std::string> names;
  agree(problem_of([&]() -> std::string {
    check_hdf5(H5Lvisit(file_.get(), H5_INDEX_NAME, H5_ITER_INC, note_dataset_or_link, &names),
               "the datasets cannot be listed");
    if (names.size() <= most_datasets) return {};
    return fmt::format("it holds more than {} datasets, the most that are read", most_datasets);
  }));
  return names;
}

std::vector<hsize_t> ReadFile::shape(const std::string& name) const {
  std::vector<hsize_t> shape;
  agree(problem_of([&]() -> std::string {
    shape = shape_of(open_numbers(file_, name), name);
    return {};
  }));
  return shape;
}

hsize_t ReadFile::stored_bytes(const std::string& name) const {
  hsize_t bytes = 0;
  agree(problem_of([&]() -> std::string {
    bytes = H5Dget_storage_size(open_numbers(file_, name).get());
    return {};
  }));
  return bytes;
}

std::vector<double> ReadFile::read(const std::string& name, const Slab& slab) const {
  std::vector<double> values;
  agree(problem_of([&]() -> std::string {
    const Dataset dataset = open_numbers(file_, name);
    const std::vector<hsize_t> found = shape_of(dataset, name);
    if (found != slab.shape) {
      return fmt::format("dataset '{}' has shape {}, but {} is needed", name, shape_text(found),
                         shape_text(slab.shape));
    }
    values.resize(count_of(slab.count));
    if (values.empty()) return {};
    const hsize_t size = values.size();
    const Dataspace in_memory(H5Screate_simple(1, &size, nullptr), "memory space");
    const Dataspace in_file(H5Dget_space(dataset.get()), "dataspace");
    if (!slab.shape.empty()) {
      check_hdf5(H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, slab.start.data(), nullptr,
                                     slab.count.data(), nullptr),
                 "selection");
    }
    check_hdf5(H5Dread(dataset.get(), H5T_NATIVE_DOUBLE, in_memory.get(), in_file.get(),
                       H5P_DEFAULT, values.data()),
               "dataset '" + name + "' cannot be read");
    return {};
  }));

  // Of all ranks, the one with the first such value in natural order speaks.
  constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  const auto bad = std::find_if(values.begin(), values.end(), is_not_finite);
  std::vector<hsize_t> index;
  std::uint64_t mine = none;
  if (bad != values.end()) {
    index = global_index(static_cast<hsize_t>(bad - values.begin()), slab.start, slab.count);
    mine = 0;
    for (std::size_t k = 0; k < index.size(); ++k) mine = mine * slab.shape[k] + index[k];
  }
  std::uint64_t first = mine;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_UINT64_T, MPI_MIN, comm_);
  agree(first != none && first == mine ? not_finite(name, *bad, index) : std::string());
  return values;
}

std::vector<double> ReadFile::read_small(const std::string& name, hsize_t max_count) const {
  std::vector<double> values;
  agree(problem_of([&]() -> std::string {
    const Dataset dataset = open_numbers(file_, name);
    const std::vector<hsize_t> shape = shape_of(dataset, name);
    const hsize_t count = count_of(shape);
    if (count > max_count) {
      return fmt::format("dataset '{}' has shape {}, but at most {} values are allowed", name,
                         shape_text(shape), max_count);
    }
    values.resize(count);
    if (count == 0) return {};
    check_hdf5(
        H5Dread(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        "dataset '" + name + "' cannot be read");
    const auto bad = std::find_if(values.begin(), values.end(), is_not_finite);
    if (bad == values.end()) return {};
    const auto position = static_cast<hsize_t>(bad - values.begin());
    return not_finite(name, *bad,
                      global_index(position, std::vector<hsize_t>(shape.size(), 0), shape));
  }));
  return values;
}

std::string ReadFile::read_text(const std::string& name, hsize_t max_bytes) const {
  std::string text;
  agree(problem_of([&]() -> std::string {
    const Dataset dataset = open_dataset(file_, name);
    const Datatype type(H5Dget_type(dataset.get()), "type of '" + name + "'");
    if (H5Tget_class(type.get()) != H5T_STRING || count_of(shape_of(dataset, name)) != 1) {
      return fmt::format("dataset '{}' is not a single text", name);
    }
    if (H5Tis_variable_str(type.get()) > 0) {
      text = variable_text(dataset, type, name, max_bytes);
      return {};
    }
    const std::size_t bytes = H5Tget_size(type.get());
    if (bytes > max_bytes) return too_long(name, max_bytes);
    text.assign(bytes, '\0');
    check_hdf5(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()),
               "text '" + name + "' cannot be read");
    text.resize(std::strlen(text.c_str()));
    return {};
  }));
  return text;
}

} // namespace komori::io
