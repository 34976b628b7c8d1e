/// Memory kernels and their decay rates from the operator itself.
#include "analyses/mori_zwanzig.hpp"

int main(int argc, char** argv) {
  return komori::analyses::run_driver(argc, argv, komori::analyses::mori_zwanzig_driver());
}
