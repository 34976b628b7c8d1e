/// A sidecar that tells ParaView and VisIt what a result file holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <mpi.h>

#include "io/hdf5.hpp"

namespace komori::io {

/// One cell field of the grid as ParaView shall list it.
struct XdmfField {
  std::string label;
  std::string dataset;                 ///< absolute, e.g. "/evolve/density"
  std::optional<std::int64_t> index{}; ///< entry of the leading axis; none if there is no such axis
  std::optional<double> time{};        ///< fields with a time form an animation
  hsize_t entries = 0; ///< of the leading axis; 0: as many as the fields of this dataset reach
};

/// Writes the sidecar `xdmf_path(result)`, which refers to `result` by its file name, so that the
/// two can move together. The mesh has cells between the edges in /grid_edges/<axis>. Fields
/// without a time are part of every time step. Rank 0 writes to a temporary file and renames it.
///
/// XDMF lists the fastest axis first, and ours is the last: of axes (a, b, c), ParaView's X shows
/// c, Y shows b, and Z shows a; with two axes X shows b and Y shows a. One axis is shown along X,
/// as a strip of height 1. The mesh's name says so ("X = y, Y = x").
///
/// Returns false, and removes a sidecar of an earlier run, when there are more than three axes or
/// no fields. Collective. Throws std::runtime_error on all ranks.
bool write_xdmf(MPI_Comm comm, const std::string& result, const std::vector<std::string>& axes,
                const std::vector<hsize_t>& cells, const std::vector<XdmfField>& fields);

/// The sidecar of a result: "run.xdmf" for "run.h5" or "run.hdf5"; other names get ".xdmf"
/// appended. Local.
std::string xdmf_path(const std::string& result);

} // namespace komori::io
