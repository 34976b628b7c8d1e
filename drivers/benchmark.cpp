/// Bandwidth of this machine, and the speed of products and solves as shares of it or ratios.
#include "analyses/benchmark.hpp"

int main(int argc, char** argv) {
  return komori::analyses::run_driver(argc, argv, komori::analyses::benchmark_driver());
}
