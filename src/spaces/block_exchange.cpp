#include "spaces/block_exchange.hpp"

#include <algorithm>

namespace komori::spaces {
namespace {

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

std::size_t size_of(const Block& block, int dimension) {
  std::size_t size = 1;
  for (int k = 0; k < dimension; ++k) size *= at(block.count[at(k)]);
  return size;
}

bool same(const Block& a, const Block& b, int dimension) {
  if (size_of(a, dimension) == 0 && size_of(b, dimension) == 0) return true;
  for (int k = 0; k < dimension; ++k) {
    if (a.start[at(k)] != b.start[at(k)] || a.count[at(k)] != b.count[at(k)]) return false;
  }
  return true;
}

/// Where a line along the last axis of a part of a block begins among the values of the block.
std::size_t place_of(const Block& whole, const Block& part, const Index& line, int dimension) {
  std::size_t place = 0;
  for (std::size_t k = 0; k < at(dimension); ++k) {
    place = place * at(whole.count[k]) + at(part.start[k] + line[k]);
  }
  return place;
}

/// Calls `visit(line)` for the lines of a part along the last axis, in order.
template <class Visit> void for_each_line(const Block& part, int dimension, Visit&& visit) {
  Index line{};
  for (;;) {
    visit(line);
    std::size_t k = at(dimension - 1);
    while (k > 0 && ++line[k - 1] == part.count[k - 1]) line[--k] = 0;
    if (k == 0) return;
  }
}

/// Whether the values of a part of a block follow each other without a gap.
bool without_gap(const Block& whole, const Block& part, int dimension) {
  std::size_t k = 0;
  while (k < at(dimension) && part.count[k] == 1) ++k;
  for (++k; k < at(dimension); ++k) {
    if (part.count[k] != whole.count[k]) return false;
  }
  return true;
}

} // namespace

BlockExchange::BlockExchange(MPI_Comm comm, int dimension, const Block& held, const Block& wanted)
    : comm_(comm), dimension_(dimension), held_block_(held), wanted_block_(wanted),
      held_(size_of(held, dimension)), wanted_(size_of(wanted, dimension)) {
  int ranks = 0;
  MPI_Comm_rank(comm, &rank_);
  MPI_Comm_size(comm, &ranks);
  constexpr int numbers = 2 * max_dimension;
  static_assert(sizeof(Block) == numbers * sizeof(PetscInt));
  std::vector<Block> all_held(at(ranks));
  std::vector<Block> all_wanted(at(ranks));
  MPI_Allgather(&held, numbers, MPIU_INT, all_held.data(), numbers, MPIU_INT, comm);
  MPI_Allgather(&wanted, numbers, MPIU_INT, all_wanted.data(), numbers, MPIU_INT, comm);
  for (std::size_t r = 0; r < all_held.size(); ++r) {
    trivial_ = trivial_ && same(all_held[r], all_wanted[r], dimension);
  }
  if (trivial_) place_of_held_ = 0;
  if (trivial_) return;
  held_parts_ = parts(held, all_wanted);
  wanted_parts_ = parts(wanted, all_held);
  for (const Part& part : wanted_parts_) {
    if (part.rank == rank_ && part.size == held_ && part.whole) {
      place_of_held_ = place_of(wanted, part.block, {}, dimension);
    }
  }
}

std::vector<BlockExchange::Part> BlockExchange::parts(const Block& own,
                                                      const std::vector<Block>& others) const {
  std::vector<Part> all;
  std::size_t begin = 0;
  for (std::size_t r = 0; r < others.size(); ++r) {
    Part part{.rank = static_cast<int>(r)};
    for (int axis = 0; axis < dimension_; ++axis) {
      const std::size_t k = at(axis);
      const PetscInt from = std::max(own.start[k], others[r].start[k]);
      const PetscInt to =
          std::min(own.start[k] + own.count[k], others[r].start[k] + others[r].count[k]);
      part.block.start[k] = from - own.start[k];
      part.block.count[k] = std::max<PetscInt>(to - from, 0);
    }
    part.size = size_of(part.block, dimension_);
    if (part.size == 0) continue;
    part.whole = without_gap(own, part.block, dimension_);
    part.begin = begin;
    if (part.rank != rank_) begin += part.size;
    all.push_back(part);
  }
  return all;
}

void BlockExchange::make_room(Messages& messages) const {
  const std::size_t most = std::max(sent(held_parts_), sent(wanted_parts_));
  messages.outgoing.resize(std::max(messages.outgoing.size(), most));
  messages.incoming.resize(std::max(messages.incoming.size(), most));
}

std::size_t BlockExchange::sent(const std::vector<Part>& parts) const {
  std::size_t total = 0;
  for (const Part& part : parts) total += part.rank == rank_ ? 0 : part.size;
  return total;
}

template <class Take>
void BlockExchange::pass(std::span<const double> values, const Block& block,
                         const std::vector<Part>& to, const Block& target,
                         const std::vector<Part>& from, double* direct, bool in_place,
                         Messages& messages, Take&& take) const {
  constexpr std::size_t most = std::size_t{1} << 26; // counts of MPI are 32-bit
  if (messages.outgoing.size() < sent(to)) messages.outgoing.resize(sent(to));
  if (messages.incoming.size() < sent(from)) messages.incoming.resize(sent(from));
  std::vector<MPI_Request> requests;
  const auto first_of = [&](const Block& all, const Part& part) {
    return place_of(all, part.block, {}, dimension_);
  };
  for (const Part& part : from) {
    double* const to_here = direct != nullptr && part.whole ? direct + first_of(target, part)
                                                            : messages.incoming.data() + part.begin;
    for (std::size_t i = 0; part.rank != rank_ && i < part.size; i += most) {
      const auto count = static_cast<int>(std::min(most, part.size - i));
      MPI_Irecv(to_here + i, count, MPI_DOUBLE, part.rank, 0, comm_, &requests.emplace_back());
    }
  }
  const Part* kept = nullptr;
  for (const Part& part : to) {
    if (part.rank == rank_) {
      kept = &part;
      continue;
    }
    const double* message = values.data() + first_of(block, part);
    if (!part.whole) {
      double* value = messages.outgoing.data() + part.begin;
      message = value;
      const std::size_t length = at(part.block.count[at(dimension_ - 1)]);
      for_each_line(part.block, dimension_, [&](const Index& line) {
        value = std::copy_n(values.data() + place_of(block, part.block, line, dimension_), length,
                            value);
      });
    }
    for (std::size_t i = 0; i < part.size; i += most) {
      const auto count = static_cast<int>(std::min(most, part.size - i));
      MPI_Isend(message + i, count, MPI_DOUBLE, part.rank, 0, comm_, &requests.emplace_back());
    }
  }
  for (const Part& part : from) {
    if (part.rank != rank_ || kept == nullptr || in_place) continue;
    const std::size_t length = at(part.block.count[at(dimension_ - 1)]);
    for_each_line(part.block, dimension_, [&](const Index& line) {
      take(values.data() + place_of(block, kept->block, line, dimension_),
           place_of(target, part.block, line, dimension_), length);
    });
  }
  MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  for (const Part& part : from) {
    if (part.rank == rank_ || (direct != nullptr && part.whole)) continue;
    const double* value = messages.incoming.data() + part.begin;
    const std::size_t length = at(part.block.count[at(dimension_ - 1)]);
    for_each_line(part.block, dimension_, [&](const Index& line) {
      take(value, place_of(target, part.block, line, dimension_), length);
      value += length;
    });
  }
}

void BlockExchange::fetch(std::span<const double> held, std::span<double> wanted,
                          Messages& messages) const {
  const auto copy = [&](const double* value, std::size_t place, std::size_t length) {
    std::copy_n(value, length, wanted.data() + place);
  };
  pass(held, held_block_, held_parts_, wanted_block_, wanted_parts_, wanted.data(),
       in_place(held, wanted), messages, copy);
}

void BlockExchange::sum_back(std::span<const double> wanted, std::span<double> held,
                             Messages& messages) const {
  const bool own_is_there = in_place(held, wanted);
  if (!own_is_there) std::fill(held.begin(), held.end(), 0.0);
  const auto add = [&](const double* value, std::size_t place, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) held[place + i] += value[i];
  };
  pass(wanted, wanted_block_, wanted_parts_, held_block_, held_parts_, nullptr, own_is_there,
       messages, add);
}

} // namespace komori::spaces
