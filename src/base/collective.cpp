#include "base/collective.hpp"

#include <exception>
#include <stdexcept>

namespace komori::base {
namespace {

std::string broadcast_from(MPI_Comm comm, std::string text, int root) {
  auto size = static_cast<unsigned long long>(text.size());
  MPI_Bcast(&size, 1, MPI_UNSIGNED_LONG_LONG, root, comm);
  text.resize(size);
  MPI_Bcast(text.data(), static_cast<int>(size), MPI_CHAR, root, comm);
  return text;
}

} // namespace

std::string broadcast(MPI_Comm comm, const std::string& text) {
  return broadcast_from(comm, text, 0);
}

std::string on_first_rank(MPI_Comm comm, const std::function<std::string()>& body) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  std::string text;
  std::string failure;
  if (rank == 0) {
    try {
      text = body();
    } catch (const std::exception& error) {
      failure = error.what();
      if (failure.empty()) failure = "failed";
    }
  }
  failure = broadcast(comm, failure);
  if (!failure.empty()) throw std::runtime_error(failure);
  return broadcast(comm, text);
}

double mean(MPI_Comm comm, double value) {
  int size = 1;
  MPI_Comm_size(comm, &size);
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, comm);
  return value / size;
}

std::string first_text(MPI_Comm comm, const std::string& text) {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  int first = text.empty() ? size : rank;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm);
  return first == size ? std::string() : broadcast_from(comm, text, first);
}

} // namespace komori::base
