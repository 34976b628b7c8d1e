#include "linalg/recurrence.hpp"

namespace komori::linalg {
namespace {

using base::check;

constexpr const char* function_name = "komori_recurrence";

PetscObject object(Mat matrix) {
  return reinterpret_cast<PetscObject>(matrix);
}

} // namespace

void offer_recurrence(Mat matrix, RecurrenceFunction function) {
  check(PetscObjectComposeFunction(object(matrix), function_name, function));
}

Recurrence::Recurrence(Mat matrix, Vec like) : matrix_(matrix) {
  void (*function)() = nullptr;
  check(PetscObjectQueryFunction(object(matrix), function_name, &function));
  offered_ = reinterpret_cast<RecurrenceFunction>(function);
  if (offered_ == nullptr) product_ = base::duplicate(like);
}

void Recurrence::take(const RecurrenceSteps& steps) const {
  if (offered_ != nullptr) {
    check(offered_(matrix_, steps));
    return;
  }
  step(steps, steps.previous, steps.current, 0);
  if (steps.steps > 1) step(steps, steps.current, steps.previous, 1);
}

void Recurrence::step(const RecurrenceSteps& steps, Vec previous, Vec current,
                      std::size_t number) const {
  const ThreeTerms& terms = steps.terms;
  check(MatMult(matrix_, current, product_.get()));
  if (terms.previous == 0 && terms.current == 1) {
    check(VecWAXPY(previous, terms.product, product_.get(), current));
  } else {
    check(VecAXPBYPCZ(previous, terms.current, terms.product, terms.previous, current,
                      product_.get()));
  }
  for (const RunningSum& running : steps.sums) {
    check(VecAXPY(running.sum, running.weights[number], previous));
  }
}

} // namespace komori::linalg
