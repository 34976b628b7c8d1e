#include "operators/key_range.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/collective.hpp"
#include "base/error.hpp"

namespace komori::operators {
namespace {

int ranks_of(MPI_Comm comm) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  return ranks;
}

/// The number of keys on lower ranks.
std::int64_t offset_of(MPI_Comm comm, std::size_t count) {
  auto own = static_cast<std::int64_t>(count);
  std::int64_t before = 0;
  MPI_Exscan(&own, &before, 1, MPI_INT64_T, MPI_SUM, comm);
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  return rank == 0 ? 0 : before;
}

} // namespace

std::int64_t sum_over_ranks(MPI_Comm comm, std::int64_t count) {
  MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPI_INT64_T, MPI_SUM, comm);
  return count;
}

void throw_first(MPI_Comm comm, const std::string& problem) {
  const std::string first = base::first_text(comm, problem);
  if (!first.empty()) throw base::InputError(first);
}

void sort_unique(std::vector<std::int64_t>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

std::vector<std::vector<std::int64_t>>
send_lists(MPI_Comm comm, const std::vector<std::vector<std::int64_t>>& lists) {
  const auto ranks = static_cast<std::size_t>(ranks_of(comm));
  std::vector<std::int64_t> out_wide(ranks);
  std::vector<std::int64_t> in_wide(ranks);
  for (std::size_t r = 0; r < ranks; ++r) out_wide[r] = static_cast<std::int64_t>(lists[r].size());
  MPI_Alltoall(out_wide.data(), 1, MPI_INT64_T, in_wide.data(), 1, MPI_INT64_T, comm);
  std::int64_t largest =
      std::max(std::accumulate(out_wide.begin(), out_wide.end(), std::int64_t{0}),
               std::accumulate(in_wide.begin(), in_wide.end(), std::int64_t{0}));
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_INT64_T, MPI_MAX, comm);
  if (largest > std::numeric_limits<int>::max()) {
    throw base::InputError("more than 2^31 boxes, images or parts of rows would go to or from one "
                           "rank at once; use more ranks");
  }
  const std::vector<int> out(out_wide.begin(), out_wide.end());
  const std::vector<int> in(in_wide.begin(), in_wide.end());
  std::vector<std::int64_t> sent;
  for (const std::vector<std::int64_t>& list : lists) {
    sent.insert(sent.end(), list.begin(), list.end());
  }
  std::vector<int> out_at(ranks, 0);
  std::vector<int> in_at(ranks, 0);
  std::partial_sum(out.begin(), out.end() - 1, out_at.begin() + 1);
  std::partial_sum(in.begin(), in.end() - 1, in_at.begin() + 1);
  std::vector<std::int64_t> received(static_cast<std::size_t>(in_at.back() + in.back()));
  MPI_Alltoallv(sent.data(), out.data(), out_at.data(), MPI_INT64_T, received.data(), in.data(),
                in_at.data(), MPI_INT64_T, comm);
  std::vector<std::vector<std::int64_t>> result(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    const auto begin = received.begin() + in_at[r];
    result[r].assign(begin, begin + in[r]);
  }
  return result;
}

KeyRanges::KeyRanges(MPI_Comm comm, const std::vector<std::int64_t>& keys)
    : first_(static_cast<std::size_t>(ranks_of(comm))) {
  constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
  const std::int64_t own = keys.empty() ? none : keys.front();
  MPI_Allgather(&own, 1, MPI_INT64_T, first_.data(), 1, MPI_INT64_T, comm);
  for (std::size_t r = first_.size() - 1; r > 0; --r) {
    first_[r - 1] = std::min(first_[r - 1], first_[r]);
  }
}

int KeyRanges::owner(std::int64_t key) const {
  // Of ranks with the same first key all but the last are empty.
  const auto above = std::upper_bound(first_.begin(), first_.end(), key);
  return above == first_.begin() ? 0 : static_cast<int>(above - first_.begin()) - 1;
}

std::vector<std::vector<std::int64_t>>
KeyRanges::by_owner(const std::vector<std::int64_t>& keys) const {
  std::vector<std::vector<std::int64_t>> lists(first_.size());
  for (const std::int64_t key : keys) lists[static_cast<std::size_t>(owner(key))].push_back(key);
  return lists;
}

std::vector<std::int64_t> positions(MPI_Comm comm, const std::vector<std::int64_t>& keys,
                                    const std::vector<std::int64_t>& asked) {
  const KeyRanges ranges(comm, keys);
  const std::int64_t offset = offset_of(comm, keys.size());
  std::vector<std::vector<std::int64_t>> questions = send_lists(comm, ranges.by_owner(asked));
  for (std::vector<std::int64_t>& list : questions) {
    for (std::int64_t& key : list) {
      const auto at = std::lower_bound(keys.begin(), keys.end(), key);
      key = at != keys.end() && *at == key ? offset + (at - keys.begin()) : -1;
    }
  }
  const std::vector<std::vector<std::int64_t>> answers = send_lists(comm, questions);
  std::vector<std::size_t> next(answers.size(), 0);
  std::vector<std::int64_t> result;
  result.reserve(asked.size());
  for (const std::int64_t key : asked) {
    const auto rank = static_cast<std::size_t>(ranges.owner(key));
    result.push_back(answers[rank][next[rank]++]);
  }
  return result;
}

std::vector<std::int64_t> redistributed(MPI_Comm comm, const std::vector<std::int64_t>& keys,
                                        const std::vector<std::int64_t>& offsets) {
  const std::int64_t offset = offset_of(comm, keys.size());
  std::vector<std::vector<std::int64_t>> lists(offsets.size());
  std::size_t rank = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::int64_t position = offset + static_cast<std::int64_t>(i);
    while (rank + 1 < offsets.size() && offsets[rank + 1] <= position) ++rank;
    lists[rank].push_back(keys[i]);
  }
  std::vector<std::int64_t> result;
  for (const std::vector<std::int64_t>& list : send_lists(comm, lists)) {
    result.insert(result.end(), list.begin(), list.end());
  }
  return result;
}

std::vector<std::int64_t> balanced(MPI_Comm comm, const std::vector<std::int64_t>& keys) {
  const std::int64_t total = sum_over_ranks(comm, static_cast<std::int64_t>(keys.size()));
  const std::int64_t ranks = ranks_of(comm);
  std::vector<std::int64_t> offsets;
  for (std::int64_t r = 0; r < ranks; ++r) {
    offsets.push_back(total / ranks * r + std::min(r, total % ranks));
  }
  return redistributed(comm, keys, offsets);
}

} // namespace komori::operators
