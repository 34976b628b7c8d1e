/// Sorted keys cut into one range per rank, and questions about them. Internal to operators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <mpi.h>

namespace komori::operators {

/// Keys that are gathered before those that come twice are removed.
constexpr std::size_t most_at_once = std::size_t{1} << 22;

/// The sum of a number over all ranks. Collective.
std::int64_t sum_over_ranks(MPI_Comm comm, std::int64_t count);

/// Throws as InputError the problem of the lowest rank that has one: where ranks hold keys in
/// ascending order, that of the lowest key. Collective.
void throw_first(MPI_Comm comm, const std::string& problem);

/// Removes what comes twice. Local.
void sort_unique(std::vector<std::int64_t>& keys);

/// Sends every rank its list; what has come, by sender. Collective.
std::vector<std::vector<std::int64_t>>
send_lists(MPI_Comm comm, const std::vector<std::vector<std::int64_t>>& lists);

/// Which rank owns a key: the last one whose first key is not above it. Immutable.
class KeyRanges {
public:
  /// `keys`: this rank's, ascending, all below those of the next rank. Collective.
  KeyRanges(MPI_Comm comm, const std::vector<std::int64_t>& keys);
  int owner(std::int64_t key) const;
  /// The keys as one list per owner. Local.
  std::vector<std::vector<std::int64_t>> by_owner(const std::vector<std::int64_t>& keys) const;

private:
  std::vector<std::int64_t> first_; ///< of every rank; an empty one has that of the next
};

/// For each of `asked` (any keys) its position in the whole list, or -1. Collective.
std::vector<std::int64_t> positions(MPI_Comm comm, const std::vector<std::int64_t>& keys,
                                    const std::vector<std::int64_t>& asked);

/// The same list cut anew: rank r gets the positions from offsets[r] on. Collective.
std::vector<std::int64_t> redistributed(MPI_Comm comm, const std::vector<std::int64_t>& keys,
                                        const std::vector<std::int64_t>& offsets);

/// The same list in equal parts. Collective.
std::vector<std::int64_t> balanced(MPI_Comm comm, const std::vector<std::int64_t>& keys);

} // namespace komori::operators
