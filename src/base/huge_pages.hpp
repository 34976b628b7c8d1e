/// Memory in huge pages: fewer page faults, and addresses that are found sooner.
#pragma once

namespace komori::base {

/// Lets this process take its memory in pages of megabytes and keep what it frees, where the
/// system gives huge pages to those who ask (Linux, "madvise"). The C library reads that wish
/// before main() starts, so the program begins anew with it, as the same process: call it first
/// in main(), before MPI starts. Leaves pages as they are where KOMORI_HUGE_PAGES is set or
/// GLIBC_TUNABLES says what is wanted, where huge pages are given or refused to all alike, and
/// without glibc. Local.
///
/// Vectors and matrices are written soon after they are made and often go again: with pages of
/// 4 kB a third of a run's time went to the kernel's handing them out one by one.
///
/// Source: The GNU C Library, "Memory Allocation Tunables" (glibc.malloc.hugetlb, since 2.35).
void use_huge_pages(char** arguments);

} // namespace komori::base
