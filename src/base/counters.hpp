/// What a rank has sent and computed so far, as PETSc counts it: its own calls, komori's, SLEPc's;
/// not those that hypre, MUMPS or HDF5 make inside. The same on every machine.
#pragma once

#include <petscsys.h>

namespace komori::base {

/// Since the start of the process. Local.
struct Counters {
  double messages = 0;      ///< point-to-point messages sent
  double message_bytes = 0; ///< in them
  double reductions = 0;    ///< reductions and other collective calls
  double flops = 0;         ///< floating-point operations
};

inline Counters count_so_far() {
#ifdef PETSC_USE_LOG
  return {.messages = petsc_isend_ct + petsc_send_ct,
          .message_bytes = petsc_isend_len + petsc_send_len,
          .reductions = petsc_allreduce_ct,
          .flops = petsc_TotalFlops};
#else
  return {};
#endif
}

inline Counters operator-(const Counters& a, const Counters& b) {
  return {.messages = a.messages - b.messages,
          .message_bytes = a.message_bytes - b.message_bytes,
          .reductions = a.reductions - b.reductions,
          .flops = a.flops - b.flops};
}

} // namespace komori::base
