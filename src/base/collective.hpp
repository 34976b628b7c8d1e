/// Small agreements between ranks.
#pragma once

#include <functional>
#include <string>

#include <mpi.h>

namespace komori::base {

/// The text of rank 0 on every rank. Collective.
std::string broadcast(MPI_Comm comm, const std::string& text);
/// What `body` returns on rank 0, on every rank; nobody else runs it. An exception thrown there is
/// thrown on every rank, as std::runtime_error of the same text. Collective.
std::string on_first_rank(MPI_Comm comm, const std::function<std::string()>& body);
/// The average over the ranks. Collective.
double mean(MPI_Comm comm, double value);
/// The text of the lowest rank whose text is not empty; empty if all are. Collective.
std::string first_text(MPI_Comm comm, const std::string& text);

} // namespace komori::base
