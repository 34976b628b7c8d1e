/// One row of a sparse matrix, added up by column in a hash table.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace komori::operators {

/// Values by column; those of equal columns are added in the order they come. Local.
class RowSum {
public:
  RowSum() : table_(initial, none) {}

  void add(std::int64_t column, double value) {
    for (std::size_t slot = hash(column);; ++slot) {
      std::int32_t& at = table_[slot & (table_.size() - 1)];
      if (at == none) {
        at = static_cast<std::int32_t>(entries_.size());
        entries_.emplace_back(column, value);
        if (2 * entries_.size() > table_.size()) grow();
        return;
      }
      auto& entry = entries_[static_cast<std::size_t>(at)];
      if (entry.first == column) {
        entry.second += value;
        return;
      }
    }
  }
  /// (column, sum) in the order in which the columns first came.
  const std::vector<std::pair<std::int64_t, double>>& entries() const noexcept { return entries_; }
  void clear() {
    // Rows are short and the table long, so only the slots in use are emptied; a slot on the way to
    // another entry's is in use, too.
    for (const auto& entry : entries_) {
      for (std::size_t slot = hash(entry.first);; ++slot) {
        std::int32_t& at = table_[slot & (table_.size() - 1)];
        if (at == none) break;
        at = none;
      }
    }
    entries_.clear();
  }

private:
  static constexpr std::int32_t none = -1;
  static constexpr std::size_t initial = 64; ///< slots, a power of 2

  static std::size_t hash(std::int64_t column) {
    return static_cast<std::size_t>((static_cast<std::uint64_t>(column) * 0x9e3779b97f4a7c15U) >>
                                    32);
  }
  void grow() {
    table_.assign(2 * table_.size(), none);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t slot = hash(entries_[i].first) & (table_.size() - 1);
      while (table_[slot] != none) slot = (slot + 1) & (table_.size() - 1);
      table_[slot] = static_cast<std::int32_t>(i);
    }
  }

  std::vector<std::pair<std::int64_t, double>> entries_;
  std::vector<std::int32_t> table_;
};

} // namespace komori::operators
