#include "operators/line_rows.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "operators/face_lines.hpp"
#include "operators/links.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using spaces::Index;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

Index shifted(Index cell, int k, PetscInt by) {
  cell[at(k)] += by;
  return cell;
}

template <class Rows> class LineRows {
public:
  LineRows(const FaceFluxes& fluxes, bool symmetrised, Rows& rows, GeneratorFacts& facts)
      : fluxes_(fluxes), grid_(fluxes.grid()), symmetrised_(symmetrised), rows_(rows),
        facts_(facts), last_(grid_.dimension() - 1),
        length_(static_cast<std::size_t>(grid_.block().count[at(last_)])), total_(length_),
        size_(length_), diagonal_(length_) {
    std::size_t slab = 1;
    layers_.resize(at(last_) + 1);
    faces_.reserve(layers_.size());
    for (int k = 0; k <= last_; ++k) faces_.emplace_back(fluxes, k, symmetrised);
    for (int k = last_; k >= 0; --k) {
      Layer& layer = layers_[at(k)];
      layer.slab = slab;
      layer.down.resize(slab);
      if (symmetrised) layer.entry.resize(slab);
      if (symmetrised) layer.above.resize(length_ + 1);
      slab *= static_cast<std::size_t>(grid_.block().count[at(k)]);
    }
  }

  void build(std::span<double> leaks) {
    Index cell = grid_.block().start;
    const auto cells = static_cast<std::size_t>(grid_.local_cells());
    for (std::size_t local = 0; local < cells; local += length_) {
      line(cell, local, leaks.subspan(local, length_));
      for (int k = last_ - 1; k >= 0; --k) {
        if (++cell[at(k)] < grid_.block().start[at(k)] + grid_.block().count[at(k)]) break;
        cell[at(k)] = grid_.block().start[at(k)];
      }
    }
  }

private:
  /// The faces below the cells of the next line, per axis: what that line needs of them.
  struct Layer {
    std::size_t slab = 1;      ///< cells in one step along the axis
    std::vector<double> down;  ///< rate to the cell below
    std::vector<double> entry; ///< entry of the symmetrised matrix
    std::vector<double> above; ///< entries of the faces above the present line
    bool has_above = false;    ///< there are such faces
  };

  bool has_face(int k, PetscInt below) const {
    return grid_.axis(k).periodic() || (below >= 0 && below + 1 < grid_.axis(k).cells());
  }
  PetscInt number(Index cell) const {
    for (int k = 0; k <= last_; ++k) cell[at(k)] = grid_.axis(k).wrapped(cell[at(k)]);
    return grid_.number(cell);
  }
  /// Counts links of this line: what leaves along them, and their entries.
  void count(const double* rates, const double* entries, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) total_[i] += rates[i - begin];
    if (!symmetrised_) return;
    for (std::size_t i = begin; i < end; ++i) size_[i] -= entries[i - begin];
  }

  void line(const Index& cell, std::size_t local, std::span<double> leaks) {
    std::fill(total_.begin(), total_.end(), 0.0);
    std::fill(size_.begin(), size_.end(), 0.0);
    bands_.clear();
    for (int k = 0; k < last_; ++k) across(k, cell, local);
    along(cell);
    walls(cell, leaks);
    for (std::size_t i = 0; i < length_; ++i) {
      const double out = total_[i] + leaks[i];
      diagonal_[i] = symmetrised_ ? out : -out;
      const double sum = (symmetrised_ ? size_[i] : total_[i]) + std::abs(out);
      facts_.norm = std::max(facts_.norm, sum);
      facts_.leak = std::max(facts_.leak, leaks[i]);
    }
    emit(cell, local);
    for (int k = 0; k < last_; ++k) keep(k, local);
  }

  /// Links of the line to its neighbours on an axis it does not run along.
  void across(int k, const Index& cell, std::size_t local) {
    Layer& layer = layers_[at(k)];
    FaceLines& faces = faces_[at(k)];
    const std::size_t place = local % layer.slab;
    const PetscInt j = cell[at(k)];
    if (has_face(k, j - 1)) {
      if (j == grid_.block().start[at(k)]) {
        faces.compute(shifted(cell, k, -1), length_);
        copy(k, place);
      }
      const double* const entries = (symmetrised_ ? layer.entry : layer.down).data() + place;
      count(layer.down.data() + place, entries, 0, length_);
      bands_.push_back({number(shifted(cell, k, -1)), entries});
    }
    layer.has_above = has_face(k, j);
    if (!layer.has_above) return;
    faces.compute(cell, length_);
    const double* const entries = entries_above(layer, faces, length_);
    count(faces.up(), entries, 0, length_);
    bands_.push_back({number(shifted(cell, k, 1)), entries});
  }

  /// Entries of the row of each lower cell, for the faces just computed.
  const double* entries_above(Layer& layer, const FaceLines& faces, std::size_t count) {
    if (!symmetrised_) return faces.up();
    for (std::size_t i = 0; i < count; ++i) layer.above[i] = -faces.couplings()[i];
    return layer.above.data();
  }

  /// Keeps the faces just computed for the line above them.
  void copy(int k, std::size_t place) {
    Layer& layer = layers_[at(k)];
    const FaceLines& faces = faces_[at(k)];
    std::copy_n(faces.down(), length_, layer.down.data() + place);
    if (!symmetrised_) return;
    for (std::size_t i = 0; i < length_; ++i) layer.entry[place + i] = -faces.couplings()[i];
  }
  void keep(int k, std::size_t local) {
    if (layers_[at(k)].has_above) copy(k, local % layers_[at(k)].slab);
  }

  /// Links within the line, and from its ends on.
  void along(const Index& cell) {
    const PetscInt start = cell[at(last_)];
    before_ = has_face(last_, start - 1) ? 1 : 0;
    after_ = has_face(last_, start + static_cast<PetscInt>(length_) - 1) ? 1 : 0;
    const std::size_t links = length_ - 1 + before_ + after_;
    if (links == 0) return;
    FaceLines& faces = faces_[at(last_)];
    faces.compute(shifted(cell, last_, -static_cast<PetscInt>(before_)), links);
    up_entries_ = entries_above(layers_[at(last_)], faces, links);
    down_entries_ = symmetrised_ ? up_entries_ : faces.down();
    count(faces.down(), down_entries_, 1 - before_, length_);
    count(faces.up() + before_, up_entries_ + before_, 0, length_ - 1 + after_);
  }

  void walls(const Index& cell, std::span<double> leaks) {
    const auto leak_of = [&](std::size_t i) {
      double leak = 0;
      for_each_exit(fluxes_, shifted(cell, last_, static_cast<PetscInt>(i)),
                    [&](int, Side, double rate) { leak += rate; });
      leaks[i] = leak;
    };
    std::fill(leaks.begin(), leaks.end(), 0.0);
    bool whole = false;
    for (int k = 0; k < last_; ++k) {
      const PetscInt j = cell[at(k)];
      whole = whole || (j == 0 && grid_.axis(k).lower() == Boundary::absorbing) ||
              (j + 1 == grid_.axis(k).cells() && grid_.axis(k).upper() == Boundary::absorbing);
    }
    if (whole) {
      for (std::size_t i = 0; i < length_; ++i) leak_of(i);
    } else {
      leak_of(0);
      leak_of(length_ - 1);
    }
  }

  /// The rows, inner cells in bands where these are apart.
  void emit(const Index& cell, std::size_t local) {
    const PetscInt own = grid_.first() + static_cast<PetscInt>(local);
    std::size_t done = 0;
    if (length_ > 2) {
      sorted_.clear();
      for (const Band& band : bands_) sorted_.push_back({band.column + 1, band.values + 1});
      sorted_.push_back({own, down_entries_ + before_});
      sorted_.push_back({own + 1, diagonal_.data() + 1});
      sorted_.push_back({own + 2, up_entries_ + before_ + 1});
      std::sort(sorted_.begin(), sorted_.end(),
                [](const Band& a, const Band& b) { return a.column < b.column; });
      const bool apart =
          std::adjacent_find(sorted_.begin(), sorted_.end(), [](const Band& a, const Band& b) {
            return a.column == b.column;
          }) == sorted_.end();
      if (apart) {
        row(cell, own, 0);
        rows_.add_rows(sorted_, length_ - 2);
        done = length_ - 1;
      }
    }
    for (std::size_t i = done; i < length_; ++i) row(cell, own, i);
  }

  void row(const Index& cell, PetscInt own, std::size_t i) {
    const auto column = static_cast<PetscInt>(i);
    for (const Band& band : bands_) rows_.add(band.column + column, band.values[i]);
    if (i + before_ > 0) {
      rows_.add(number(shifted(cell, last_, column - 1)), down_entries_[i + before_ - 1]);
    }
    if (i + 1 < length_ + after_) {
      rows_.add(number(shifted(cell, last_, column + 1)), up_entries_[i + before_]);
    }
    rows_.add(own + column, diagonal_[i]);
    rows_.end_row();
  }

  const FaceFluxes& fluxes_;
  const spaces::Grid& grid_;
  bool symmetrised_;
  Rows& rows_;
  GeneratorFacts& facts_;
  int last_;
  std::size_t length_; ///< of a line
  std::vector<FaceLines> faces_;
  std::vector<Layer> layers_;
  std::vector<double> total_; ///< per cell of the line: what leaves along links, 1/time
  std::vector<double> size_;  ///< sum of the sizes of the entries off the diagonal
  std::vector<double> diagonal_;
  std::vector<Band> bands_; ///< of the axes across the line
  std::vector<Band> sorted_;
  std::size_t before_ = 0; ///< 1 where a face lies below the first cell, on the line's axis
  std::size_t after_ = 0;  ///< likewise above the last one
  const double* up_entries_ = nullptr;   ///< per face of the line, for the lower cell's row
  const double* down_entries_ = nullptr; ///< for the upper cell's
};

template <class Rows>
void build(const FaceFluxes& fluxes, bool symmetrised, Rows& rows, std::span<double> leaks,
           GeneratorFacts& facts) {
  if (fluxes.grid().local_cells() == 0) return;
  LineRows<Rows>(fluxes, symmetrised, rows, facts).build(leaks);
}

} // namespace

void build_lines(const FaceFluxes& fluxes, bool symmetrised, CsrBuilder& rows,
                 std::span<double> leaks, GeneratorFacts& facts) {
  build(fluxes, symmetrised, rows, leaks, facts);
}

void build_lines(const FaceFluxes& fluxes, bool symmetrised, CsrValues& rows,
                 std::span<double> leaks, GeneratorFacts& facts) {
  build(fluxes, symmetrised, rows, leaks, facts);
}

} // namespace komori::operators
