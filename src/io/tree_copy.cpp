#include "io/tree_copy.hpp"

#include <algorithm>

#include "base/collective.hpp"
#include "io/layers.hpp"

namespace komori::io {
namespace {

std::vector<hsize_t> extent_of(const Dataspace& space) {
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
  return extent;
}

/// Names of the members of a group, in alphabetical order, the same on every rank.
std::vector<std::string> members_of(hid_t group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* list) -> herr_t {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  check_hdf5(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names),
             "listing a group");
  return names;
}

std::vector<std::string> attributes_of(hid_t object) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* list) -> herr_t {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  check_hdf5(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names),
             "listing attributes");
  return names;
}

class Copier {
public:
  explicit Copier(MPI_Comm comm)
      : comm_(comm), transfer_(H5Pcreate(H5P_DATASET_XFER), "transfer properties") {
    check_hdf5(H5Pset_dxpl_mpio(transfer_.get(), H5FD_MPIO_COLLECTIVE), "transfer properties");
  }

  void group(hid_t from, hid_t to, const std::string& path) {
    attributes(from, to);
    const std::vector<std::string> there = members_of(to);
    for (const std::string& name : members_of(from)) {
      if (std::find(there.begin(), there.end(), name) != there.end()) continue;
      const Object member(H5Oopen(from, name.c_str(), H5P_DEFAULT), "opening '" + name + "'");
      const std::string inner = path.empty() ? name : path + "/" + name;
      if (H5Iget_type(member.get()) == H5I_GROUP) {
        const Group target(H5Gcreate2(to, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                           "creating '" + inner + "'");
        group(member.get(), target.get(), inner);
      } else if (H5Iget_type(member.get()) == H5I_DATASET) {
        dataset(member.get(), to, name, inner);
      }
    }
  }

private:
  void attributes(hid_t from, hid_t to) {
    for (const std::string& name : attributes_of(from)) {
      const AttributeId source(H5Aopen(from, name.c_str(), H5P_DEFAULT),
                               "attribute '" + name + "'");
      const Datatype type(H5Aget_type(source.get()), "attribute type");
      const Dataspace space(H5Aget_space(source.get()), "attribute space");
      std::string buffer(H5Aget_storage_size(source.get()), '\0');
      check_hdf5(H5Aread(source.get(), type.get(), buffer.data()), "attribute '" + name + "'");
      const AttributeId target(
          H5Acreate2(to, name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
          "attribute '" + name + "'");
      check_hdf5(H5Awrite(target.get(), type.get(), buffer.data()), "attribute '" + name + "'");
    }
  }

  void dataset(hid_t from, hid_t to, const std::string& name, const std::string& path) {
    const Datatype type(H5Dget_type(from), "dataset type");
    const Dataspace space(H5Dget_space(from), "dataspace");
    const std::vector<hsize_t> extent = extent_of(space);
    const PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), "dataset properties");
    check_hdf5(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "dataset properties");
    const Dataset target(H5Dcreate2(to, name.c_str(), type.get(), space.get(), H5P_DEFAULT,
                                    creation.get(), H5P_DEFAULT),
                         "creating '" + path + "'");
    attributes(from, target.get());
    if (H5Tget_class(type.get()) == H5T_FLOAT) {
      numbers(from, target.get(), extent, path);
    } else {
      bytes(from, target.get(), type, space, path);
    }
  }

  void numbers(hid_t from, hid_t to, const std::vector<hsize_t>& extent, const std::string& path) {
    const Slab share = share_of(comm_, extent);
    hsize_t total = 1;
    for (const hsize_t count : share.count) total *= count;
    std::vector<double> values(total);
    const Dataspace space(H5Dget_space(from), "dataspace");
    for (const Layer& layer : layers(comm_, share.start, share.count)) {
      select(space, layer);
      const Dataspace memory(H5Screate_simple(1, &layer.values, nullptr), "memory space");
      check_hdf5(H5Dread(from, H5T_NATIVE_DOUBLE, memory.get(), space.get(), transfer_.get(),
                         values.data() + layer.offset),
                 "reading '" + path + "'");
      check_hdf5(H5Dwrite(to, H5T_NATIVE_DOUBLE, memory.get(), space.get(), transfer_.get(),
                          values.data() + layer.offset),
                 "writing '" + path + "'");
    }
  }

  void bytes(hid_t from, hid_t to, const Datatype& type, const Dataspace& space,
             const std::string& path) {
    const hssize_t points = H5Sget_simple_extent_npoints(space.get());
    std::string buffer(static_cast<std::size_t>(points) * H5Tget_size(type.get()), '\0');
    if (points > 0) {
      check_hdf5(H5Dread(from, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()),
                 "reading '" + path + "'");
    }
    int rank = 0;
    MPI_Comm_rank(comm_, &rank);
    if (rank != 0 || points == 0) return;
    check_hdf5(H5Dwrite(to, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()),
               "writing '" + path + "'");
  }

  MPI_Comm comm_;
  PropertyList transfer_;
};

} // namespace

Slab share_of(MPI_Comm comm, const std::vector<hsize_t>& shape) {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  Slab slab{.shape = shape, .start = std::vector<hsize_t>(shape.size(), 0), .count = shape};
  if (shape.empty()) return slab;
  // The longest axis is shared out, so that few long rows are spread as well as many short ones.
  const auto axis =
      static_cast<std::size_t>(std::max_element(shape.begin(), shape.end()) - shape.begin());
  const auto first = static_cast<hsize_t>(rank);
  const auto ranks = static_cast<hsize_t>(size);
  slab.start[axis] = shape[axis] * first / ranks;
  slab.count[axis] = shape[axis] * (first + 1) / ranks - slab.start[axis];
  return slab;
}

void copy_tree(MPI_Comm comm, hid_t from, hid_t to) {
  Copier(comm).group(from, to, "");
}

} // namespace komori::io
