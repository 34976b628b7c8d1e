#include "analyses/eigenfunctions.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "analyses/extension.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// Calls visit(first vector, second vector or null, value) once per eigenvalue or complex pair.
template <class Visit>
void for_each_pair(const std::vector<std::complex<double>>& values,
                   const std::vector<base::UniqueVec>& vectors, Visit&& visit) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool complex = values[i].imag() != 0;
    visit(i, vectors[i].get(), complex ? vectors[i + 1].get() : nullptr);
    if (complex) ++i;
  }
}

/// (re + i im) <- (re + i im) * factor.
void scale(Vec re, Vec im, std::complex<double> factor) {
  if (im == nullptr) {
    check(VecScale(re, factor.real()));
    return;
  }
  const base::UniqueVec old = base::duplicate(re);
  check(VecCopy(re, old.get()));
  check(VecAXPBY(re, -factor.imag(), factor.real(), im));
  check(VecAXPBY(im, factor.imag(), factor.real(), old.get()));
}

/// The value at the cell that decides the phase of re + i im, and the largest modulus. Among cells
/// as large as the largest up to solver error the first decides, so that signs do not depend on
/// rounding. Collective.
struct Top {
  std::complex<double> value;
  double modulus;
};
Top top_of(Vec re, Vec im) {
  constexpr double equal = 1 - 1e-5;
  const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(re));
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  std::array<double, 2> phase{0, 0};
  double top = 0;
  const base::ReadArray a(re);
  const base::ReadArray b(im ? im : re);
  const auto modulus = [&](std::size_t c) { return im ? std::hypot(a[c], b[c]) : std::abs(a[c]); };
  for (std::size_t c = 0; c < a.size(); ++c) top = std::max(top, modulus(c));
  MPI_Allreduce(MPI_IN_PLACE, &top, 1, MPI_DOUBLE, MPI_MAX, comm);
  int owner = std::numeric_limits<int>::max();
  for (std::size_t c = 0; c < a.size() && owner > rank; ++c) {
    if (modulus(c) < equal * top) continue;
    owner = rank;
    phase = {a[c], im ? b[c] : 0};
  }
  MPI_Allreduce(MPI_IN_PLACE, &owner, 1, MPI_INT, MPI_MIN, comm);
  MPI_Bcast(phase.data(), 2, MPI_DOUBLE, owner, comm);
  return {{phase[0], phase[1]}, top};
}

} // namespace

int discretisation_order(const Problem& problem) {
  for (int k = 0; k < problem.grid().dimension(); ++k) {
    if (problem.fluxes().undiffused(k) && !problem.fluxes().second_order_upwind()) return 1;
  }
  return 2;
}

std::vector<base::UniqueVec> functions_from_symmetrised(Problem& problem,
                                                        const linalg::EigenPairs& pairs) {
  std::vector<base::UniqueVec> functions;
  double residual = 0;
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    residual = std::max(residual, pairs.residuals[i]);
    base::UniqueVec u = base::duplicate(pairs.vectors[i].get());
    {
      const base::ReadArray root(problem.root_of_masses());
      const base::ReadArray h(pairs.vectors[i].get());
      const base::WriteArray value(u.get());
      for (std::size_t c = 0; c < root.size(); ++c) value[c] = root[c] > 0 ? h[c] / root[c] : 0;
    }
    functions.push_back(std::move(u));
  }
  if (functions.empty()) return functions;
  // The error of h is about residual / (distance between eigenvalues), everywhere alike; below
  // `floor` it would be a sizeable part of u.
  const double floor = std::clamp(1e3 * residual / problem.diffusive_rate(), 1e-9, 1e-3);
  if (!problem.absorbing()) {
    // The slowest eigenvector is sqrt(m) itself up to its sign.
    const double sign = base::dot(problem.root_of_masses(), pairs.vectors[0].get());
    check(VecScale(functions[0].get(), sign < 0 ? -1 : 1));
  }
  extend_to_faint_cells(problem, pairs.values, functions, floor);
  normalise_functions(pairs.values, functions);
  return functions;
}

std::vector<base::UniqueVec> densities_from_symmetrised(Problem& problem,
                                                        const linalg::EigenPairs& pairs) {
  std::vector<base::UniqueVec> densities;
  for (const base::UniqueVec& h : pairs.vectors) {
    base::UniqueVec density = base::duplicate(h.get());
    check(VecPointwiseMult(density.get(), h.get(), problem.root_of_masses()));
    check(VecPointwiseDivide(density.get(), density.get(), problem.volumes()));
    densities.push_back(std::move(density));
  }
  return densities;
}

void normalise_functions(const std::vector<std::complex<double>>& values,
                         std::vector<base::UniqueVec>& vectors) {
  for_each_pair(values, vectors, [&](std::size_t, Vec re, Vec im) {
    const Top top = top_of(re, im);
    scale(re, im, std::conj(top.value) / (std::abs(top.value) * top.modulus));
  });
}

void normalise_densities(Vec volumes, const std::vector<std::complex<double>>& values,
                         const std::vector<base::UniqueVec>& right,
                         std::vector<base::UniqueVec>& left) {
  const base::UniqueVec weighted = base::duplicate(volumes);
  for_each_pair(values, left, [&](std::size_t i, Vec re, Vec im) {
    const auto integral = [&](Vec a, Vec b) {
      check(VecPointwiseMult(weighted.get(), a, volumes));
      return base::dot(weighted.get(), b);
    };
    if (!right.empty()) {
      const Vec u = right[i].get();
      std::complex<double> product = integral(re, u);
      if (im) {
        const Vec v = right[i + 1].get();
        product = {integral(re, u) - integral(im, v), integral(re, v) + integral(im, u)};
      }
      if (std::abs(product) > 0) scale(re, im, 1.0 / product);
      return;
    }
    double total = 0;
    double sum = 0;
    {
      const base::ReadArray a(re);
      const base::ReadArray b(im ? im : re);
      const base::ReadArray volume(volumes);
      for (std::size_t c = 0; c < a.size(); ++c) {
        total += volume[c] * (im ? std::hypot(a[c], b[c]) : std::abs(a[c]));
        sum += volume[c] * a[c];
      }
    }
    std::array<double, 2> both{total, sum};
    MPI_Allreduce(MPI_IN_PLACE, both.data(), 2, MPI_DOUBLE, MPI_SUM,
                  PetscObjectComm(reinterpret_cast<PetscObject>(volumes)));
    // A sizeable integral decides the sign; most have none, or a phase.
    std::complex<double> unit = both[1] < 0 ? -1 : 1;
    if (im || std::abs(both[1]) <= 1e-6 * both[0]) {
      const Top top = top_of(re, im);
      unit = std::conj(top.value) / std::abs(top.value);
    }
    scale(re, im, unit / both[0]);
  });
}

} // namespace komori::analyses
