#include "operators/orthogonal_dynamics.hpp"

#include <memory>

#include "linalg/shell.hpp"

namespace komori::operators {

using base::check;

base::UniqueMat orthogonal_dynamics(Mat matrix, const Projection& projection, double penalty) {
  const Vec like = projection.weights();
  struct Work {
    base::UniqueVec resolved;
    base::UniqueVec rest;
  };
  const auto work = std::make_shared<Work>(Work{base::duplicate(like), base::duplicate(like)});
  return linalg::shell(
      like, like,
      [=, &projection](Vec x, Vec y) {
        projection.apply(x, work->resolved.get());
        check(VecWAXPY(work->rest.get(), -1, work->resolved.get(), x));
        check(MatMult(matrix, work->rest.get(), y));
        projection.complement(y);
        if (penalty != 0) check(VecAXPY(y, -penalty, work->resolved.get()));
      },
      [=, &projection](Vec x, Vec y) {
        projection.apply_transposed(x, work->resolved.get());
        check(VecWAXPY(work->rest.get(), -1, work->resolved.get(), x));
        check(MatMultTranspose(matrix, work->rest.get(), y));
        projection.complement_transposed(y);
        if (penalty != 0) check(VecAXPY(y, -penalty, work->resolved.get()));
      });
}

} // namespace komori::operators
