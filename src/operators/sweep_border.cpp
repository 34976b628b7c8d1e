#include "operators/sweep_border.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>

namespace komori::operators {
namespace {

using base::check;

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// The slowest axis across the lines, if there is one.
std::optional<int> axis_across(const spaces::Grid& grid, int along) {
  for (int k = 0; k < grid.dimension(); ++k) {
    if (k != along) return k;
  }
  return {};
}

/// A rank's part of an axis.
struct Part {
  int place = 0;
  PetscInt first = 0;
  PetscInt count = 0;
  bool reversed() const { return place % 2 == 1; }
};

Part part_of(const spaces::Grid& grid, int axis, PetscInt cell) {
  Part part{.count = grid.part_cells(axis, 0)};
  while (cell >= part.first + part.count) {
    part.first += part.count;
    part.count = grid.part_cells(axis, ++part.place);
  }
  return part;
}

int owner(Mat rows, PetscInt number) {
  PetscLayout layout = nullptr;
  PetscMPIInt rank = 0;
  check(MatGetLayouts(rows, &layout, nullptr));
  check(PetscLayoutFindOwner(layout, number, &rank));
  return rank;
}

} // namespace

Lines::Lines(const spaces::Grid& grid, int along)
    : axis(along), length(grid.block().count[static_cast<std::size_t>(along)]) {
  for (int k = along + 1; k < grid.dimension(); ++k) {
    stride *= grid.block().count[static_cast<std::size_t>(k)];
  }
  // A rank without cells has lines of no cells.
  if (grid.local_cells() == 0) {
    length = 1;
    stride = 1;
  }
  count = grid.local_cells() / length;
  whole = grid.ranks_per_axis()[static_cast<std::size_t>(along)] == 1;
  ring = whole && grid.axis(along).periodic() && length > 2;
  const std::optional<int> across = axis_across(grid, along);
  reversed =
      across && grid.local_cells() > 0 &&
      part_of(grid, *across, grid.block().start[static_cast<std::size_t>(*across)]).reversed();
}

/// What each side of a face has to tell the other.
class SweepBorder::Setup {
public:
  Setup(SweepBorder& border, Mat rows, const spaces::Grid& grid, const Lines& lines)
      : border_(border), rows_(rows), grid_(grid), lines_(lines),
        across_(axis_across(grid, lines.axis)) {
    check(MatGetOwnershipRange(rows, &begin_, &end_));
    find_neighbours();
  }

  void run() {
    // One tag for each half of a sweep, in each direction.
    std::array<PetscMPIInt, 2> forward{};
    std::array<PetscMPIInt, 2> backward{};
    for (PetscMPIInt* tag : {&forward[0], &forward[1], &backward[0], &backward[1]}) {
      check(PetscObjectGetNewTag(reinterpret_cast<PetscObject>(rows_), tag));
    }
    read();
    exchange(forward, backward);
  }

private:
  struct Neighbour {
    int rank = 0;
    Part part{};
    bool earlier = false;                          ///< its lines come before this rank's
    std::array<std::vector<PetscInt>, 2> wanted{}; ///< cells of each half of its sweep, by number
  };
  struct Coupling {
    PetscInt row = 0;
    PetscInt column = 0;
    double value = 0;
  };

  void find_neighbours() {
    if (!across_ || grid_.local_cells() == 0) return;
    const auto k = static_cast<std::size_t>(*across_);
    const PetscInt cells = grid_.axis(*across_).cells();
    const Part own = part_of(grid_, *across_, grid_.block().start[k]);
    for (PetscInt beside : {own.first - 1, own.first + own.count}) {
      if (grid_.axis(*across_).periodic()) beside = (beside + cells) % cells;
      if (beside < 0 || beside >= cells) continue;
      spaces::Index cell = grid_.block().start;
      cell[k] = beside;
      const Part part = part_of(grid_, *across_, beside);
      const int rank = owner(rows_, grid_.number(cell));
      const bool known = std::any_of(neighbours_.begin(), neighbours_.end(),
                                     [&](const Neighbour& n) { return n.rank == rank; });
      if (part.place == own.place || known) continue;
      neighbours_.push_back({.rank = rank, .part = part, .earlier = part.place < own.place});
    }
  }

  Neighbour* neighbour_with(PetscInt number) {
    const int rank = owner(rows_, number);
    for (Neighbour& neighbour : neighbours_) {
      if (neighbour.rank == rank) return &neighbour;
    }
    return nullptr;
  }

  /// In which half of its owner's sweep forward a cell is passed.
  static std::size_t half(const Neighbour& neighbour, PetscInt place) {
    const bool second = 2 * (place - neighbour.part.first) >= neighbour.part.count;
    return second == neighbour.part.reversed() ? 0 : 1;
  }

  void read() {
    for (PetscInt row = begin_; row < end_; ++row) {
      PetscInt count = 0;
      const PetscInt* columns = nullptr;
      const PetscScalar* values = nullptr;
      check(MatGetRow(rows_, row, &count, &columns, &values));
      for (PetscInt e = 0; e < count; ++e) {
        if ((columns[e] >= begin_ && columns[e] < end_) || values[e] == 0) continue;
        Neighbour* const neighbour = neighbour_with(columns[e]);
        if (!neighbour) continue;
        const PetscInt place = grid_.cell(columns[e])[static_cast<std::size_t>(*across_)];
        neighbour->wanted[half(*neighbour, place)].push_back(columns[e]);
        couplings_.push_back({.row = row - begin_, .column = columns[e], .value = values[e]});
      }
      check(MatRestoreRow(rows_, row, &count, &columns, &values));
    }
    for (Neighbour& neighbour : neighbours_) {
      for (std::vector<PetscInt>& wanted : neighbour.wanted) {
        std::sort(wanted.begin(), wanted.end());
        wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
      }
    }
  }

  PetscInt step(PetscInt cell, bool forward) const {
    const PetscInt k = lines_.swept(lines_.line_of(cell)); // its own inverse
    return forward ? k : lines_.count - 1 - k;
  }

  /// This rank's cells that each neighbour wants of each half of its sweep, in their order.
  using Asked = std::vector<std::array<std::vector<PetscInt>, 2>>;

  void exchange(const std::array<PetscMPIInt, 2>& forward,
                const std::array<PetscMPIInt, 2>& backward) {
    const Asked asked = ask(forward);
    std::map<PetscInt, std::size_t> slots; // of the numbers of cells of others
    for (std::size_t n = 0; n < neighbours_.size(); ++n) {
      const Neighbour& neighbour = neighbours_[n];
      for (std::size_t half = 0; half < 2; ++half) {
        const std::vector<PetscInt>& wanted = neighbour.wanted[half];
        if (!wanted.empty()) {
          way(neighbour.earlier)
              .receipts.push_back({.rank = neighbour.rank,
                                   .tag = (neighbour.earlier ? forward : backward)[half],
                                   .first = border_.slots_,
                                   .count = wanted.size()});
          for (const PetscInt number : wanted) slots[number] = border_.slots_++;
        }
        if (asked[n][half].empty()) continue;
        Message message{.rank = neighbour.rank,
                        .tag = (neighbour.earlier ? backward : forward)[half]};
        for (const PetscInt number : asked[n][half]) {
          message.cells.push_back(number - begin_);
          message.step = std::max(message.step, step(number - begin_, !neighbour.earlier));
        }
        way(!neighbour.earlier).sends.push_back(std::move(message));
      }
    }
    for (const bool direction : {true, false}) fill(direction, slots);
  }

  /// First how many, then which.
  Asked ask(const std::array<PetscMPIInt, 2>& tags) const {
    Asked asked(neighbours_.size());
    std::vector<std::array<PetscInt, 2>> ours(neighbours_.size());
    std::vector<std::array<PetscInt, 2>> theirs(neighbours_.size());
    std::vector<MPI_Request> requests;
    const auto both = [&](std::size_t n, std::size_t half, const PetscInt* out, PetscInt out_count,
                          PetscInt* in, PetscInt in_count) {
      const int rank = neighbours_[n].rank;
      MPI_Irecv(in, static_cast<int>(in_count), MPIU_INT, rank, tags[half], border_.comm_,
                &requests.emplace_back());
      MPI_Isend(out, static_cast<int>(out_count), MPIU_INT, rank, tags[half], border_.comm_,
                &requests.emplace_back());
    };
    const auto wait = [&] {
      MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
      requests.clear();
    };
    for (std::size_t n = 0; n < neighbours_.size(); ++n) {
      for (std::size_t half = 0; half < 2; ++half) {
        ours[n][half] = static_cast<PetscInt>(neighbours_[n].wanted[half].size());
        both(n, half, &ours[n][half], 1, &theirs[n][half], 1);
      }
    }
    wait();
    for (std::size_t n = 0; n < neighbours_.size(); ++n) {
      for (std::size_t half = 0; half < 2; ++half) {
        asked[n][half].resize(at(theirs[n][half]));
        both(n, half, neighbours_[n].wanted[half].data(), ours[n][half], asked[n][half].data(),
             theirs[n][half]);
      }
    }
    wait();
    return asked;
  }

  Direction& way(bool forward) { return forward ? border_.forward_ : border_.backward_; }

  void fill(bool forward, const std::map<PetscInt, std::size_t>& slots) {
    Direction& to = way(forward);
    std::vector<std::vector<Coupling>> of_line(at(lines_.count));
    for (const Coupling& coupling : couplings_) {
      if (neighbour_with(coupling.column)->earlier != forward) continue;
      of_line[at(lines_.line_of(coupling.row))].push_back(coupling);
    }
    to.starts.assign(1, 0);
    for (const std::vector<Coupling>& couplings : of_line) {
      for (const Coupling& coupling : couplings) {
        const std::size_t slot = slots.at(coupling.column);
        to.places.push_back(lines_.place_of(coupling.row));
        to.slots.push_back(slot);
        to.values.push_back(static_cast<float>(coupling.value));
      }
      to.starts.push_back(to.places.size());
    }
    for (Message& message : to.receipts) {
      message.step = lines_.count;
      for (const Coupling& coupling : couplings_) {
        const std::size_t slot = slots.at(coupling.column);
        if (slot < message.first || slot >= message.first + message.count) continue;
        message.step = std::min(message.step, step(coupling.row, forward));
      }
    }
    const auto sooner = [](const Message& a, const Message& b) { return a.step < b.step; };
    std::stable_sort(to.receipts.begin(), to.receipts.end(), sooner);
    std::stable_sort(to.sends.begin(), to.sends.end(), sooner);
  }

  SweepBorder& border_;
  Mat rows_;
  const spaces::Grid& grid_;
  const Lines& lines_;
  std::optional<int> across_;
  PetscInt begin_ = 0;
  PetscInt end_ = 0;
  std::vector<Neighbour> neighbours_;
  std::vector<Coupling> couplings_;
};

SweepBorder::SweepBorder(Mat rows, const spaces::Grid& grid, const Lines& lines)
    : comm_(PetscObjectComm(reinterpret_cast<PetscObject>(rows))) {
  Setup(*this, rows, grid, lines).run();
}

template <class Value>
SweepExchange<Value>::SweepExchange(const SweepBorder& border)
    : border_(border), others_(border.slots()) {}

template <class Value> void SweepExchange<Value>::begin(bool forward) {
  forward_ = forward;
  sent_ = received_ = 0;
  buffers_.resize(std::max(buffers_.size(), border_.direction(forward).sends.size()));
}

template <class Value> bool SweepExchange<Value>::add(PetscInt step, PetscInt line, Value* sums) {
  const SweepBorder::Direction& way = border_.direction(forward_);
  for (; received_ < way.receipts.size() && way.receipts[received_].step <= step; ++received_) {
    const SweepBorder::Message& message = way.receipts[received_];
    MPI_Recv(others_.data() + message.first,
             static_cast<int>(message.count * sizeof(Value) / sizeof(double)), MPI_DOUBLE,
             message.rank, message.tag, border_.comm(), MPI_STATUS_IGNORE);
  }
  const std::size_t first = way.starts[static_cast<std::size_t>(line)];
  const std::size_t last = way.starts[static_cast<std::size_t>(line) + 1];
  for (std::size_t e = first; e < last; ++e) {
    Value& sum = sums[way.places[e]];
    const Value& other = others_[way.slots[e]];
    const double value = way.values[e];
    if constexpr (std::is_same_v<Value, double>) {
      sum += value * other;
    } else {
      for (std::size_t h = 0; h < Value::parts; ++h) sum.part[h].v += value * other.part[h].v;
    }
  }
  return last > first;
}

template <class Value> void SweepExchange<Value>::end() {
  MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  requests_.clear();
}

template <class Value>
void SweepExchange<Value>::send(const SweepBorder::Message& message,
                                const std::vector<Value>& buffer) {
  MPI_Isend(buffer.data(), static_cast<int>(buffer.size() * sizeof(Value) / sizeof(double)),
            MPI_DOUBLE, message.rank, message.tag, border_.comm(), &requests_.emplace_back());
}

template class SweepExchange<double>;
template class SweepExchange<base::WideLanes>;

} // namespace komori::operators
