/// Memory in continuous time: sums of exponentials from rational Krylov spaces.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "analyses/memory.hpp"
#include "analyses/memory_kernel.hpp"
#include "analyses/memory_state.hpp"
#include "analyses/memory_sums.hpp"
#include "analyses/solver_checkpoints.hpp"
#include "linalg/reduced_dynamics.hpp"
#include "operators/orthogonal_resolvent.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;
using linalg::ExponentialSum;
using operators::OrthogonalResolvent;
using operators::ShiftedSolver;

/// Poles of the spaces: the more of them, the fewer vectors, as long as each is cheap to set up.
std::vector<double> poles_for(const MemorySystem& system, double longest) {
  if (system.swept_axis) return {30 / longest, 300 / longest}; // measured on kinetic processes
  const PetscInt cells = system.grid.cells();
  const int count = cells <= 20'000 ? 4 : cells <= 200'000 ? 2 : 1;
  const double slow = 8 / longest;
  const double fast = std::max(slow, std::min(system.norm, 2e3 / longest));
  std::vector<double> poles;
  for (int j = 0; j < count; ++j) {
    poles.push_back(slow * std::pow(fast / slow, count > 1 ? j / (count - 1.0) : 0));
  }
  if (count == 1) poles.front() = 15 / longest;
  return poles;
}

/// Solvers at one pole, of L itself and of the orthogonal dynamics.
struct Pole {
  Pole(MemorySystem& system, const operators::Projection& projection, double its_shift,
       double tolerance)
      : shift(its_shift) {
    whole = shifted_solver(system, shift, tolerance);
    orthogonal = resolvent_for(system, projection, shift, tolerance, whole);
  }
  double shift;
  std::shared_ptr<ShiftedSolver> whole;
  std::unique_ptr<OrthogonalResolvent> orthogonal;
};

/// Solves to a tolerance that each of them is given.
template <class Solver> std::function<void(Vec, Vec, double)> relaxed_solves(Solver& solver) {
  return [&solver](Vec b, Vec x, double tolerance) {
    solver.relax(tolerance);
    solver.solve(b, x);
    solver.relax(0);
  };
}

/// Times at which spaces are compared: what is fast shows early.
std::vector<double> test_times(double longest) {
  std::vector<double> times{0};
  constexpr int count = 24;
  for (int i = 0; i < count; ++i) {
    times.push_back(longest * std::pow(10.0, -4.0 * (count - 1 - i) / (count - 1)));
  }
  return times;
}

/// The two kinds of sums of every function, one after the other, with what is saved of them.
class Sums {
public:
  Sums(MemorySystem& system, const operators::Resolved& resolved, const MemoryInput& input,
       const Coupling& coupling, std::vector<Pole>& poles, MemoryResult& result)
      : system_(system), resolved_(resolved), input_(input), coupling_(coupling), poles_(poles),
        result_(result) {
    for (const base::UniqueVec& force : coupling.forces()) {
      base::UniqueVec weighted = base::duplicate(force.get());
      check(VecPointwiseMult(weighted.get(), force.get(), system.weights.get()));
      weighted_forces_.push_back(std::move(weighted));
    }
  }

  MemorySums compute() {
    restore();
    const std::size_t functions = resolved_.functions.size();
    for (; done_.size() < 2 * functions;) {
      const std::size_t a = done_.size() / 2;
      const bool kernel = done_.size() % 2 == 0;
      linalg::Reduction found = kernel ? kernel_of(a) : propagator_of(a);
      if (!found.converged) unconverged_ = true;
      largest_dimension_ = std::max(largest_dimension_, found.dimension);
      done_.push_back({std::move(found.sum), found.error});
      system_.log().progress(static_cast<double>(done_.size()) / static_cast<double>(2 * functions),
                             fmt::format("space of {}", found.dimension));
    }
    MemorySums sums;
    for (std::size_t a = 0; a < functions; ++a) sums.add(take(a), take(functions + a));
    return sums;
  }
  bool converged() const { return !unconverged_; }
  PetscInt largest_dimension() const { return largest_dimension_; }

private:
  struct Done {
    ExponentialSum sum;
    double error = 0;
  };

  linalg::ReductionRequest request(const char* name) {
    linalg::ReductionRequest r{.weights = system_.weights.get(),
                               .times = test_times(input_.times->to),
                               .tolerance = input_.tolerance,
                               .symmetric = system_.reversible,
                               .name = name};
    if (system_.checkpoints) {
      r.continuation.step = [this](const std::function<linalg::SolverState()>& state) {
        system_.checkpoints->step("memory kernel", [&](io::CheckpointWriter& writer) {
          save_state(writer, system_.grid, "space", state());
          writer.numbers("sums", packed());
          writer.numbers("modes", packed_modes(result_));
        });
      };
    }
    if (!state_.vectors.empty()) {
      view_ = state_.view();
      r.continuation.from = &view_;
    }
    return r;
  }

  /// On a space in the range of Q, which is self-adjoint, the projections of Q L Q and of L agree.
  linalg::Reduction kernel_of(std::size_t a) {
    linalg::ReductionRequest r = request("memory kernel");
    r.matrix = system_.matrix;
    r.confine = [this](Vec x) { resolved_.projection->complement(x); };
    for (Pole& pole : poles_) {
      r.solves.push_back(relaxed_solves(*pole.orthogonal));
    }
    r.outputs = handles(coupling_.returns());
    for (const base::UniqueVec& force : weighted_forces_) r.outputs.push_back(force.get());
    constexpr double epsilon = std::numeric_limits<double>::epsilon();
    double largest = 0;
    for (const double size : coupling_.sizes()) largest = std::max(largest, size);
    r.floor = 4 * epsilon * system_.norm *
              std::sqrt(coupling_.gram()(static_cast<Index>(a), static_cast<Index>(a))) * largest;
    return finish(linalg::reduce(r, coupling_.forces()[a].get(), system_.log()));
  }

  linalg::Reduction propagator_of(std::size_t a) {
    linalg::ReductionRequest r = request("propagator");
    r.matrix = system_.matrix;
    for (Pole& pole : poles_) {
      r.solves.push_back(relaxed_solves(*pole.whole));
    }
    r.outputs = handles(coupling_.weighted());
    const base::UniqueVec start = base::duplicate(system_.weights.get());
    check(VecCopy(resolved_.functions[a].get(), start.get()));
    // The constant stays what it is; without it everything decays.
    const bool apart = system_.conserved && system_.stationary;
    const double mean = apart ? base::dot(start.get(), system_.weights.get()) : 0;
    if (apart) check(VecShift(start.get(), -mean));
    linalg::Reduction found = finish(linalg::reduce(r, start.get(), system_.log()));
    if (!apart || mean == 0) return found;
    ExponentialSum& sum = found.sum;
    const Index m = sum.exponents.size();
    sum.exponents.conservativeResize(m + 1);
    sum.weights.conservativeResize(Eigen::NoChange, m + 1);
    sum.exponents[m] = 0;
    for (std::size_t b = 0; b < resolved_.functions.size(); ++b) {
      sum.weights(static_cast<Index>(b), m) = mean * base::sum(coupling_.weighted()[b].get());
    }
    return found;
  }

  linalg::Reduction finish(linalg::Reduction found) {
    state_ = {};
    return found;
  }

  /// The k-th entry of (kernel of f_0, propagator of f_0, ...), by kind.
  Done take(std::size_t i) {
    const std::size_t functions = resolved_.functions.size();
    return std::move(done_[i < functions ? 2 * i : 2 * (i - functions) + 1]);
  }

  std::vector<double> packed() const {
    std::vector<double> numbers{static_cast<double>(done_.size()), unconverged_ ? 1.0 : 0.0};
    for (const Done& d : done_) {
      numbers.insert(numbers.end(),
                     {static_cast<double>(d.sum.exponents.size()),
                      static_cast<double>(d.sum.weights.rows()), d.error, d.sum.condition});
      for (Index m = 0; m < d.sum.exponents.size(); ++m) {
        numbers.insert(numbers.end(), {d.sum.exponents[m].real(), d.sum.exponents[m].imag()});
        for (Index b = 0; b < d.sum.weights.rows(); ++b) {
          numbers.insert(numbers.end(), {d.sum.weights(b, m).real(), d.sum.weights(b, m).imag()});
        }
      }
    }
    return numbers;
  }

  void restore() {
    if (!system_.checkpoints) return;
    system_.checkpoints->restore("memory kernel", [&](io::CheckpointReader& reader) {
      state_ = load_state(reader, system_.grid, "space");
      unpack_modes(reader.numbers("modes"), result_);
      const std::vector<double> numbers = reader.numbers("sums");
      std::size_t next = 0;
      const auto number = [&] { return numbers.at(next++); };
      const auto count = static_cast<std::size_t>(number());
      unconverged_ = number() != 0;
      for (std::size_t i = 0; i < count; ++i) {
        Done d;
        const auto m = static_cast<Index>(number());
        const auto outputs = static_cast<Index>(number());
        d.error = number();
        d.sum.condition = number();
        d.sum.exponents.resize(m);
        d.sum.weights.resize(outputs, m);
        for (Index j = 0; j < m; ++j) {
          const double re = number();
          d.sum.exponents[j] = {re, number()};
          for (Index b = 0; b < outputs; ++b) {
            const double part = number();
            d.sum.weights(b, j) = {part, number()};
          }
        }
        done_.push_back(std::move(d));
      }
    });
  }

  MemorySystem& system_;
  const operators::Resolved& resolved_;
  const MemoryInput& input_;
  const Coupling& coupling_;
  std::vector<Pole>& poles_;
  MemoryResult& result_; ///< holds the modes, which are saved along
  std::vector<base::UniqueVec> weighted_forces_;
  std::vector<Done> done_;
  OwnedState state_;
  linalg::SolverState view_;
  bool unconverged_ = false;
  PetscInt largest_dimension_ = 0;
};

/// K(z) and the propagator's transform R(z).
struct Transforms {
  MatrixXd kernel;
  MatrixXd propagator;
};

/// By solves at z.
Transforms transforms(const operators::Resolved& resolved, const Coupling& coupling, Pole& pole) {
  const auto k = static_cast<Index>(resolved.functions.size());
  Transforms found{.kernel = MatrixXd(k, k), .propagator = MatrixXd(k, k)};
  const base::UniqueVec x = base::duplicate(resolved.functions.front().get());
  for (Index a = 0; a < k; ++a) {
    const auto i = static_cast<std::size_t>(a);
    pole.orthogonal->solve(coupling.forces()[i].get(), x.get());
    found.kernel.row(a) = -coupling.seen(x.get());
    pole.whole->solve(resolved.functions[i].get(), x.get());
    found.propagator.row(a) = coupling.coefficients(x.get());
  }
  return found;
}

/// z R = 1 + Omega R - K R, relative to the largest term.
double laplace_defect(double z, const MatrixXd& omega, const Transforms& of) {
  const auto& [kernel, propagator] = of;
  const MatrixXd one = MatrixXd::Identity(omega.rows(), omega.cols());
  const MatrixXd defect = z * propagator - one - omega * propagator + kernel * propagator;
  const double size = std::max({one.norm(), z * propagator.norm(), (omega * propagator).norm(),
                                (kernel * propagator).norm()});
  return defect.norm() / size;
}

/// The same for functions that do not close among themselves: with p = P (z - L)^-1 f and
/// q = (z - QLQ)^-1 QL p, z p = f + P L p + P L q.
double open_defect(MemorySystem& system, const operators::Resolved& resolved, Pole& pole) {
  const operators::Projection& projection = *resolved.projection;
  const auto made = [&] { return base::duplicate(system.weights.get()); };
  const base::UniqueVec x = made();
  const base::UniqueVec p = made();
  const base::UniqueVec image = made();
  const base::UniqueVec q = made();
  double worst = 0;
  for (const base::UniqueVec& f : resolved.functions) {
    pole.whole->solve(f.get(), x.get());
    projection.apply(x.get(), p.get());
    check(MatMult(system.matrix, p.get(), image.get()));
    projection.complement(image.get());
    pole.orthogonal->solve(image.get(), q.get());
    check(VecAXPY(q.get(), 1, p.get()));
    check(MatMult(system.matrix, q.get(), image.get()));
    projection.apply(image.get(), x.get()); // P L (p + q)
    const double size = std::sqrt(
        std::max(projection.product(f.get(), f.get()), projection.product(x.get(), x.get())));
    check(VecAXPBYPCZ(x.get(), pole.shift, -1, -1, p.get(), f.get()));
    worst = std::max(worst, std::sqrt(projection.product(x.get(), x.get())) / size);
  }
  return worst;
}

} // namespace

void continuous_memory(MemorySystem& system, const operators::Resolved& resolved,
                       const MemoryInput& input, MemoryResult& result) {
  const Coupling coupling(system, resolved);
  const auto k = static_cast<Index>(resolved.functions.size());
  result.gram = coupling.gram();
  MatrixXd omega(k, k);
  for (Index a = 0; a < k; ++a) {
    omega.row(a) = coupling.seen(resolved.functions[static_cast<std::size_t>(a)].get());
  }
  result.omega = {omega};
  const double tolerance = std::min(1e-12, 1e-2 * input.tolerance);
  const operators::Projection& projection = *resolved.projection;
  const auto hold = [&](double defect) {
    result.identity_error =
        std::isnan(result.identity_error) ? defect : std::max(result.identity_error, defect);
  };
  for (const double z : input.laplace) {
    Pole pole(system, projection, z, tolerance);
    const Transforms found = transforms(resolved, coupling, pole);
    result.transforms.push_back(found.kernel);
    result.laplace.push_back(z);
    hold(resolved.closed ? laplace_defect(z, omega, found) : open_defect(system, resolved, pole));
  }
  if (!input.times) return;
  std::vector<Pole> poles;
  for (const double shift : poles_for(system, input.times->to)) {
    poles.emplace_back(system, projection, shift, tolerance);
  }
  Sums solver(system, resolved, input, coupling, poles, result);
  MemorySums sums = solver.compute();
  Pole& pole = poles.front();
  hold(resolved.closed ? laplace_defect(pole.shift, omega, transforms(resolved, coupling, pole))
                       : open_defect(system, resolved, pole));
  if (!solver.converged()) {
    result.complete = false;
    system.log().warning(fmt::format("the kernel did not reach its tolerance with a space of {}; "
                                     "relax 'memory.tolerance' or shorten 'memory.times.to'",
                                     solver.largest_dimension()));
  }
  sums.normalise(coupling);
  evaluate(sums, *input.times, result);
}

} // namespace komori::analyses
