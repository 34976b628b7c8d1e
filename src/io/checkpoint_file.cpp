#include "io/checkpoint_file.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "io/layers.hpp"
#include "io/seal.hpp"
#include "io/tree_copy.hpp"

namespace komori::io {
namespace {

/// Lines "a\nb\n" taken apart.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::string text_attribute(hid_t file, const char* name) {
  const AttributeId attribute(H5Aopen(file, name, H5P_DEFAULT), name);
  const Datatype type(H5Aget_type(attribute.get()), name);
  std::string text(H5Tget_size(type.get()), '\0');
  check_hdf5(H5Aread(attribute.get(), type.get(), text.data()), name);
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

} // namespace

CheckpointWriter::CheckpointWriter(MPI_Comm comm, const std::string& path, const Identity& identity,
                                   const std::string& phase)
    : comm_(comm), file_(comm, path, seal_bytes) {
  std::string keys;
  for (const auto& [key, value] : identity) keys += fmt::format("{}\n{}\n", key, value);
  file_.annotate("/", {{"phase", phase}, {"done", std::string()}});
  file_.write_text("/identity", keys, {});
  file_.annotate("/state", {});
}

void CheckpointWriter::field(const std::string& name, std::span<const double> local,
                             const Slab& slab) {
  file_.write("/state/" + name, local, slab, {});
}

void CheckpointWriter::numbers(const std::string& name, const std::vector<double>& values) {
  file_.write_small("/state/" + name, values, {values.size()}, {});
}

void CheckpointWriter::rest_of(const CheckpointReader& other) {
  const Group from(H5Gopen2(other.handle(), "/state", H5P_DEFAULT), "the state so far");
  const Group to(H5Gopen2(file_.handle(), "/state", H5P_DEFAULT), "the state so far");
  copy_tree(comm_, from.get(), to.get());
}

void CheckpointWriter::result(const ResultFile& result, const std::vector<std::string>& done) {
  std::string lines;
  for (const std::string& section : done) lines += section + "\n";
  file_.annotate("/", {{"done", lines}});
  file_.annotate("/result", {});
  check_hdf5(H5Fflush(result.handle(), H5F_SCOPE_GLOBAL), "flushing '" + result.path() + "'");
  const Group from(H5Gopen2(result.handle(), "/", H5P_DEFAULT), "the result so far");
  const Group to(H5Gopen2(file_.handle(), "/result", H5P_DEFAULT), "the result so far");
  copy_tree(comm_, from.get(), to.get());
}

void CheckpointWriter::fruitless(int runs) {
  file_.annotate("/", {{"fruitless", std::to_string(runs)}});
}

void CheckpointWriter::commit() {
  file_.commit([&](const std::string& temporary) { write_seal(comm_, temporary); });
}

CheckpointReader::CheckpointReader(MPI_Comm comm, std::string path)
    : comm_(comm), path_(std::move(path)) {
  silence_hdf5();
  std::string problem = check_seal(comm, path_);
  if (problem.empty()) {
    try {
      const PropertyList access(H5Pcreate(H5P_FILE_ACCESS), "file access");
      check_hdf5(H5Pset_fapl_mpio(access.get(), comm, MPI_INFO_NULL), "parallel access");
      file_ = File(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()), "opening");
      phase_ = text_attribute(file_.get(), "phase");
      done_ = lines_of(text_attribute(file_.get(), "done"));
      if (H5Aexists(file_.get(), "fruitless") > 0) {
        fruitless_ = std::atoi(text_attribute(file_.get(), "fruitless").c_str());
      }
      const Dataset dataset(H5Dopen2(file_.get(), "/identity", H5P_DEFAULT), "identity");
      const Datatype type(H5Dget_type(dataset.get()), "identity");
      std::string text(H5Tget_size(type.get()), '\0');
      check_hdf5(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()),
                 "identity");
      text.resize(std::min(text.find('\0'), text.size()));
      const std::vector<std::string> lines = lines_of(text);
      for (std::size_t i = 0; i + 1 < lines.size(); i += 2) {
        identity_.emplace_back(lines[i], lines[i + 1]);
      }
    } catch (const Hdf5Error& error) {
      problem = error.what();
    }
  }
  problem = base::first_text(comm, problem);
  if (!problem.empty()) {
    throw base::InputError(fmt::format("checkpoint '{}' cannot be used: {}", path_, problem));
  }
}

bool CheckpointReader::has(const std::string& name) const {
  return H5Lexists(file_.get(), ("/state/" + name).c_str(), H5P_DEFAULT) > 0;
}

std::vector<double> CheckpointReader::field(const std::string& name, const Slab& slab) const {
  const Dataset dataset(H5Dopen2(file_.get(), ("/state/" + name).c_str(), H5P_DEFAULT), name);
  const Dataspace space(H5Dget_space(dataset.get()), name);
  std::vector<hsize_t> shape(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  if (shape != slab.shape) {
    throw base::InputError(
        fmt::format("checkpoint '{}' cannot be used: '{}' has another shape", path_, name));
  }
  hsize_t total = 1;
  for (const hsize_t count : slab.count) total *= count;
  std::vector<double> values(total);
  const PropertyList transfer(H5Pcreate(H5P_DATASET_XFER), "transfer properties");
  check_hdf5(H5Pset_dxpl_mpio(transfer.get(), H5FD_MPIO_COLLECTIVE), "transfer properties");
  for (const Layer& layer : layers(comm_, slab.start, slab.count)) {
    select(space, layer);
    const Dataspace memory(H5Screate_simple(1, &layer.values, nullptr), "memory space");
    check_hdf5(H5Dread(dataset.get(), H5T_NATIVE_DOUBLE, memory.get(), space.get(), transfer.get(),
                       values.data() + layer.offset),
               name);
  }
  return values;
}

std::vector<double> CheckpointReader::numbers(const std::string& name) const {
  const Dataset dataset(H5Dopen2(file_.get(), ("/state/" + name).c_str(), H5P_DEFAULT), name);
  const Dataspace space(H5Dget_space(dataset.get()), name);
  const auto size = static_cast<hsize_t>(H5Sget_simple_extent_npoints(space.get()));
  return field(name, {.shape = {size}, .start = {0}, .count = {size}});
}

void CheckpointReader::result(const ResultFile& result) const {
  const Group from(H5Gopen2(file_.get(), "/result", H5P_DEFAULT), "the result so far");
  const Group to(H5Gopen2(result.handle(), "/", H5P_DEFAULT), "the result so far");
  copy_tree(comm_, from.get(), to.get());
}

} // namespace komori::io
