/// Data that a network is fed with: what its inputs are like, and which class each row belongs to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "config/declaration.hpp"
#include "io/array_file.hpp"
#include "models/network.hpp"
#include "models/network_paths.hpp"

namespace komori::operators {

/// `data` as written.
struct NetworkDataInput {
  std::string file{};
  std::string dataset = "/data";
  bool labels = false;
  std::int64_t held_out = 0;
  config::Origin origin{};
};
void declare(config::Declarer& declarer, NetworkDataInput& input);

/// Rows [sample, variable] in a file, read in pieces. The last `held_out` rows are never the inputs
/// of a path: nothing is fitted to them.
class NetworkData {
public:
  /// Checks the shape, and every row: finite values within the ranges of the network's inputs,
  /// labels that count its outputs. Throws InputError that names file, row and column. Collective.
  NetworkData(MPI_Comm comm, const NetworkDataInput& input, const models::Network& network);

  MPI_Comm comm() const noexcept { return comm_; }
  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t fitted_rows() const noexcept { return rows_ - held_out_; }
  bool labelled() const noexcept { return labelled_; }
  /// As many paths, or a few more, so that as many begin at one row as at any other.
  std::int64_t whole_passes(std::int64_t paths) const noexcept {
    return (paths + fitted_rows() - 1) / fitted_rows() * fitted_rows();
  }
  /// Path i begins at row i modulo fitted_rows(). The data must outlive it.
  models::PathInputs inputs() const;
  /// Rows [first, first + count): `points` is [count][inputs], `labels` [count] (-1 without them).
  /// Local. Throws InputError where the file has changed.
  void read(std::int64_t first, std::size_t count, std::span<double> points,
            std::span<std::int64_t> labels) const;
  /// Calls `visit(first, points, labels)` for pieces of all rows, dealt out to the ranks in turn;
  /// an exception on one rank is thrown on all. Collective.
  void for_each(const std::function<void(std::int64_t first, std::span<const double> points,
                                         std::span<const std::int64_t> labels)>& visit) const;
  /// Calls `visit(points)` on every rank with pieces of all rows that are not held out, [count]
  /// [inputs]; an exception on one rank is thrown on all. Collective; so may `visit` be.
  void for_all_fitted(const std::function<void(std::span<const double> points)>& visit) const;

private:
  MPI_Comm comm_;
  std::string path_;
  mutable io::ArrayFile file_; ///< reading moves its position
  std::size_t inputs_;
  std::int64_t rows_ = 0;
  std::int64_t held_out_ = 0;
  bool labelled_ = false;
};

} // namespace komori::operators
