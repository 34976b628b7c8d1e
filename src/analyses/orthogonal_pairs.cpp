#include "analyses/orthogonal_pairs.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/LU>
#include <fmt/format.h>

#include "analyses/eigen_checkpoints.hpp"
#include "analyses/memory_kernel.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "linalg/eigen.hpp"
#include "linalg/pair_order.hpp"
#include "operators/orthogonal_dynamics.hpp"
#include "operators/orthogonal_resolvent.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Complex = std::complex<double>;
using linalg::EigenPairs;

Vec raw(const base::UniqueVec& vector) {
  return vector.get();
}

/// A start in the range of Q, the same for any number of ranks.
base::UniqueVec start_vector(const MemorySystem& system, const operators::Projection& projection,
                             bool transposed) {
  base::UniqueVec start = base::duplicate(system.weights.get());
  {
    const base::Random random(19650301);
    const base::WriteArray value(start.get());
    system.grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
      value[static_cast<std::size_t>(local)] =
          random.normal(static_cast<std::uint64_t>(system.grid.natural(cell)));
    });
  }
  if (transposed) {
    check(VecPointwiseMult(start.get(), start.get(), system.weights.get()));
    projection.complement_transposed(start.get());
  } else {
    projection.complement(start.get());
  }
  return start;
}

/// One side's Krylov-Schur search for the eigenvalues of largest modulus of `matrix`, which is the
/// orthogonal dynamics itself, of this norm, or its resolvent (0).
EigenPairs search(MemorySystem& system, const operators::Projection& projection, Mat matrix,
                  bool transposed, PetscInt count, double tolerance, double norm,
                  EigenPairs* finished) {
  const base::UniqueVec start = start_vector(system, projection, transposed);
  const linalg::EigenRequest request{.pairs = count,
                                     .tolerance = tolerance,
                                     .norm = norm,
                                     .largest = true,
                                     .costly = norm == 0,
                                     .prefix = "rates_",
                                     .start = {start.get()}};
  return with_checkpoints(system.checkpoints, system.grid, request,
                          transposed ? "memory rates left" : "memory rates right", finished,
                          [&](const linalg::EigenRequest& r) {
                            return linalg::general_pairs(matrix, r, system.log());
                          });
}

/// The two sides brought together: for each right pair the nearest left one not yet taken.
std::vector<OrthogonalPair> matched(EigenPairs right, EigenPairs left) {
  std::vector<OrthogonalPair> pairs;
  std::vector<bool> taken(left.values.size(), false);
  for (std::size_t i = 0; i < right.values.size(); ++i) {
    const Complex value = right.values[i];
    const bool complex = value.imag() != 0;
    std::size_t best = left.values.size();
    for (std::size_t j = 0; j < left.values.size(); ++j) {
      if (taken[j] || left.values[j].imag() < 0) continue;
      if (best == left.values.size() ||
          std::abs(left.values[j] - value) < std::abs(left.values[best] - value)) {
        best = j;
      }
    }
    OrthogonalPair pair;
    pair.value = value;
    pair.right = std::move(right.vectors[i]);
    if (complex) pair.right_im = std::move(right.vectors[i + 1]);
    // Beyond this the other side has not found it.
    const bool same = best < left.values.size() &&
                      std::abs(left.values[best] - value) <= 1e-4 * std::abs(value) &&
                      (left.values[best].imag() != 0) == complex;
    if (same) {
      taken[best] = true;
      pair.left = std::move(left.vectors[best]);
      if (complex) pair.left_im = std::move(left.vectors[best + 1]);
    }
    pairs.push_back(std::move(pair));
    if (complex) ++i;
  }
  return pairs;
}

/// From nu = 1 / (shift - lambda) back to lambda.
void back_transform(EigenPairs& pairs, double shift) {
  for (Complex& value : pairs.values) {
    value = shift - 1.0 / value;
    if (std::abs(value.imag()) <= 1e-300) value = value.real();
  }
}

/// Imaginary parts of inverses have the opposite sign: the vector of the first follows it.
void upper_first(EigenPairs& pairs) {
  for (std::size_t i = 0; i + 1 < pairs.values.size(); ++i) {
    if (pairs.values[i].imag() == 0) continue;
    if (pairs.values[i].imag() < 0) {
      std::swap(pairs.values[i], pairs.values[i + 1]);
      check(VecScale(pairs.vectors[i + 1].get(), -1));
    }
    ++i;
  }
}

std::size_t listed(const std::vector<OrthogonalPair>& pairs) {
  std::size_t count = 0;
  for (const OrthogonalPair& pair : pairs) count += pair.value.imag() != 0 ? 2 : 1;
  return count;
}

/// By products alone, largest modulus first.
OrthogonalPairs by_products(MemorySystem& system, const operators::Projection& projection,
                            const MemoryInput& input, PetscInt wanted) {
  const base::UniqueMat shell = operators::orthogonal_dynamics(system.matrix, projection);
  base::UniqueMat transposed;
  check(MatCreateTranspose(shell.get(), transposed.put()));
  EigenPairs right;
  if (!(system.checkpoints && system.checkpoints->pending("memory rates left"))) {
    right = search(system, projection, shell.get(), false, wanted, input.tolerance, system.norm,
                   nullptr);
  }
  EigenPairs left = search(system, projection, transposed.get(), true, wanted, input.tolerance,
                           system.norm, &right);
  OrthogonalPairs found;
  found.solver = right.solver.empty() ? left.solver : right.solver;
  found.pairs = matched(std::move(right), std::move(left));
  return found;
}

/// Of eigenvalues of the resolvent, relative to them, so that residuals of the dynamics itself are
/// a small share of `tolerance` times its norm: solves by sweeps cost the more the more exact they
/// are.
double resolvent_tolerance(const MemorySystem& system, double tolerance) {
  if (!system.swept_axis) return tolerance;
  constexpr double share = 1e-3;
  constexpr double roughest = 1e-8;
  return std::max(tolerance, std::min(share * tolerance * system.norm / system.scale, roughest));
}

double size_of(Vec re, Vec im) {
  return im == nullptr ? base::norm2(re) : std::hypot(base::norm2(re), base::norm2(im));
}

/// ||QLQ u - lambda u|| / ||u|| in the inner product: of self-adjoint dynamics the one that counts,
/// whatever u does where no probability is.
double weighted_residual(const operators::Projection& projection, Mat matrix, double value, Vec u,
                         Vec work) {
  check(MatMult(matrix, u, work));
  check(VecAXPY(work, -value, u));
  return std::sqrt(projection.product(work, work) / projection.product(u, u));
}

/// Of both sides; NaN for a side that is not there.
void find_residuals(OrthogonalPair& pair, Mat matrix, Mat transposed) {
  pair.residual = linalg::eigen_residual(matrix, pair.value, raw(pair.right), raw(pair.right_im));
  pair.left_residual =
      pair.left ? linalg::eigen_residual(transposed, pair.value, raw(pair.left), raw(pair.left_im))
                : std::numeric_limits<double>::quiet_NaN();
}

/// left^T A right of scaled vectors errs by the product of both sides' residuals; taken, and true,
/// where both are small and it lies within what the residual allows.
bool refine_value(OrthogonalPair& pair, Mat matrix) {
  const double open = pair.condition * std::max(pair.residual, pair.left_residual);
  if (!(open <= 0.1 * std::abs(pair.value))) return false;
  const base::UniqueVec image = base::duplicate(pair.right.get());
  check(MatMult(matrix, pair.right.get(), image.get()));
  base::UniqueVec image_im;
  if (pair.right_im) {
    image_im = base::duplicate(pair.right.get());
    check(MatMult(matrix, pair.right_im.get(), image_im.get()));
  }
  Complex value = pairing(raw(pair.left), raw(pair.left_im), image.get(), raw(image_im));
  if (!pair.right_im) value = value.real(); // without the sign of its zero
  if (std::abs(value - pair.value) > pair.condition * pair.residual) return false;
  pair.value = value;
  return true;
}

/// To ten significant digits: what agrees but for rounding compares equal on any number of ranks.
double ten_digits(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 9);
  return std::round(value / unit) * unit;
}

/// Vectors of values that agree are made biorthogonal among each other, all are scaled to
/// left^T right = 1, and residuals and conditions follow.
void certify(const MemorySystem& system, const operators::Projection& projection,
             std::vector<OrthogonalPair>& pairs) {
  const base::UniqueMat shell = operators::orthogonal_dynamics(system.matrix, projection);
  const base::UniqueVec work = base::duplicate(system.weights.get());
  base::UniqueMat transposed;
  check(MatCreateTranspose(shell.get(), transposed.put()));
  const double close = 1e-8 * std::max(system.norm, std::numeric_limits<double>::min());
  for (std::size_t i = 0; i < pairs.size();) {
    std::size_t end = i + 1;
    while (end < pairs.size() && pairs[i].value.imag() == 0 && pairs[end].value.imag() == 0 &&
           std::abs(pairs[end].value - pairs[end - 1].value) <= close) {
      ++end;
    }
    const auto size = static_cast<Eigen::Index>(end - i);
    const bool whole = std::all_of(pairs.begin() + static_cast<std::ptrdiff_t>(i),
                                   pairs.begin() + static_cast<std::ptrdiff_t>(end),
                                   [](const OrthogonalPair& p) { return bool(p.left); });
    if (size > 1 && whole) {
      Eigen::MatrixXd gram(size, size);
      std::vector<base::UniqueVec> old;
      std::vector<Vec> old_raw;
      for (Eigen::Index a = 0; a < size; ++a) {
        const base::UniqueVec& left = pairs[i + static_cast<std::size_t>(a)].left;
        for (Eigen::Index b = 0; b < size; ++b) {
          gram(a, b) = base::dot(left.get(), raw(pairs[i + static_cast<std::size_t>(b)].right));
        }
        old.push_back(base::duplicate(left.get()));
        check(VecCopy(left.get(), old.back().get()));
        old_raw.push_back(old.back().get());
      }
      const Eigen::MatrixXd inverse = Eigen::FullPivLU<Eigen::MatrixXd>(gram).inverse();
      for (Eigen::Index a = 0; a < size; ++a) {
        const Vec left = pairs[i + static_cast<std::size_t>(a)].left.get();
        const Eigen::VectorXd row = inverse.row(a).transpose();
        check(VecSet(left, 0));
        check(VecMAXPY(left, static_cast<PetscInt>(size), row.data(), old_raw.data()));
      }
    }
    i = end;
  }
  for (OrthogonalPair& pair : pairs) {
    if (system.reversible && pair.left && !pair.right_im) {
      pair.residual = weighted_residual(projection, shell.get(), pair.value.real(), raw(pair.right),
                                        work.get());
      pair.left_residual = pair.residual;
      check(VecScale(pair.left.get(), 1 / base::dot(pair.left.get(), pair.right.get())));
      continue;
    }
    find_residuals(pair, shell.get(), transposed.get());
    if (!pair.left) {
      pair.condition = std::numeric_limits<double>::infinity();
      continue;
    }
    scale_left(pair);
    if (refine_value(pair, shell.get())) find_residuals(pair, shell.get(), transposed.get());
  }
}

} // namespace

bool slower(const MemorySystem& system, Complex a, Complex b) {
  if (!system.discrete) {
    const double left = ten_digits(a.real());
    const double right = ten_digits(b.real());
    return left != right ? left > right : std::abs(a.imag()) < std::abs(b.imag());
  }
  const auto modulus = [](Complex value) { return std::llround(std::abs(value) * 1e9); };
  if (modulus(a) != modulus(b)) return modulus(a) > modulus(b);
  return a.real() > b.real();
}

void leave_out_growing(const MemorySystem& system, std::vector<OrthogonalPair>& pairs) {
  if (!system.stationary || !system.conserved) return;
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  const auto grows = [&](const OrthogonalPair& pair) {
    const double growth = system.discrete ? std::abs(pair.value) - 1 : pair.value.real();
    const double error = pair.condition * (epsilon * system.norm + pair.residual);
    return growth > std::max(10 * error, 1e-6 * (system.discrete ? 1 : system.scale));
  };
  const auto count = std::erase_if(pairs, grows);
  if (count == 0) return;
  system.log().warning(fmt::format(
      "left out: {} eigenvalue{} of the orthogonal dynamics that would grow; {} where "
      "the stationary density is nothing but rounding, and a smaller grid has none",
      count, count > 1 ? "s" : "", count > 1 ? "their functions live" : "its function lives"));
}

void scale_left(OrthogonalPair& pair) {
  const Vec left = raw(pair.left);
  const Vec left_im = raw(pair.left_im);
  const Complex overlap = pairing(left, left_im, raw(pair.right), raw(pair.right_im));
  pair.condition =
      size_of(left, left_im) * size_of(raw(pair.right), raw(pair.right_im)) / std::abs(overlap);
  const Complex factor = 1.0 / overlap;
  if (left_im == nullptr) {
    check(VecScale(left, factor.real()));
    return;
  }
  const base::UniqueVec old = base::duplicate(left);
  check(VecCopy(left, old.get()));
  check(VecAXPBY(left, -factor.imag(), factor.real(), left_im));
  check(VecAXPBY(left_im, factor.imag(), factor.real(), old.get()));
}

std::complex<double> pairing(Vec left, Vec left_im, Vec right, Vec right_im) {
  Complex value = base::dot(left, right);
  if (left_im != nullptr && right_im != nullptr) value -= base::dot(left_im, right_im);
  if (right_im != nullptr) value += Complex(0, base::dot(left, right_im));
  if (left_im != nullptr) value += Complex(0, base::dot(left_im, right));
  return value;
}

OrthogonalPairs resolvent_pairs(MemorySystem& system, const operators::Projection& projection,
                                const MemoryInput& input, PetscInt wanted) {
  const double shift = system.discrete ? 1 + 1e-4 : system.scale;
  const double tolerance = 1e-2 * std::min(input.tolerance, 1e-8);
  const std::unique_ptr<operators::OrthogonalResolvent> resolvent =
      resolvent_for(system, projection, shift, tolerance);
  const double wanted_error = resolvent_tolerance(system, input.tolerance);
  if (wanted_error > input.tolerance) resolvent->relax(0.1 * wanted_error);
  const base::UniqueMat shell = operators::resolvent_matrix(*resolvent, projection);
  EigenPairs right;
  EigenPairs left;
  const bool resumes_left = system.checkpoints && system.checkpoints->pending("memory rates left");
  if (!resumes_left) {
    right = search(system, projection, shell.get(), false, wanted, wanted_error, 0, nullptr);
  }
  if (!system.reversible) {
    base::UniqueMat transposed;
    check(MatCreateTranspose(shell.get(), transposed.put()));
    left = search(system, projection, transposed.get(), true, wanted, wanted_error, 0, &right);
    back_transform(left, shift);
    upper_first(left);
  }
  OrthogonalPairs found;
  found.solver =
      fmt::format("{}, of the resolvent at {:.6g}, {}",
                  right.solver.empty() ? left.solver : right.solver, shift,
                  projection.rank() <= operators::largest_eliminated ? "border eliminated"
                  : system.swept_axis                                ? "projected sweeps"
                  : system.method == linalg::Method::direct          ? "bordered factorisation"
                                                                     : "projected iteration");
  back_transform(right, shift);
  upper_first(right);
  for (const Complex& value : right.values) {
    found.radius = std::max(found.radius, std::abs(value - shift));
  }
  if (!system.reversible) {
    found.coverage =
        fmt::format("complete for eigenvalues within {:.4g} of {:.4g}; a slow mode that "
                    "oscillates faster would not be seen",
                    found.radius, shift);
  }
  if (system.reversible) {
    for (std::size_t i = 0; i < right.values.size(); ++i) {
      OrthogonalPair pair;
      pair.value = right.values[i].real();
      pair.left = base::duplicate(right.vectors[i].get());
      check(VecPointwiseMult(pair.left.get(), right.vectors[i].get(), system.weights.get()));
      pair.right = std::move(right.vectors[i]);
      found.pairs.push_back(std::move(pair));
    }
  } else {
    found.pairs = matched(std::move(right), std::move(left));
  }
  return found;
}

OrthogonalPairs orthogonal_pairs(MemorySystem& system, const operators::Projection& projection,
                                 const MemoryInput& input) {
  const PetscInt left_over = system.grid.cells() - projection.rank();
  const auto asked = static_cast<PetscInt>(std::min<std::int64_t>(input.rates, left_over));
  OrthogonalPairs found;
  if (system.grid.cells() <= most_dense) {
    found = dense_pairs(system, projection);
  } else {
    // Some more than asked, so that the last ones are not merely the first to converge.
    const PetscInt wanted = std::min(left_over, asked + std::max<PetscInt>(4, asked / 2));
    std::optional<OrthogonalPairs> nested;
    if (nested_pairs_suit(system, projection)) {
      nested = nested_pairs(system, projection, input, asked, wanted);
    }
    found = nested                     ? std::move(*nested)
            : block_pairs_suit(system) ? block_pairs(system, projection, input, wanted)
            : system.discrete          ? by_products(system, projection, input, wanted)
                                       : resolvent_pairs(system, projection, input, wanted);
  }
  std::stable_sort(found.pairs.begin(), found.pairs.end(),
                   [&](const OrthogonalPair& a, const OrthogonalPair& b) {
                     return slower(system, a.value, b.value);
                   });
  if (!found.certified) certify(system, projection, found.pairs);
  leave_out_growing(system, found.pairs);
  while (!found.pairs.empty()) { // what is not asked for goes, never half a pair
    const std::size_t last = found.pairs.back().value.imag() != 0 ? 2 : 1;
    if (listed(found.pairs) < static_cast<std::size_t>(asked) + last) break;
    found.pairs.pop_back();
  }
  found.complete = static_cast<PetscInt>(listed(found.pairs)) >= asked;
  return found;
}

} // namespace komori::analyses
