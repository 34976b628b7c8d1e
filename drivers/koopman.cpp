/// Koopman and transfer operators of maps, Markov chains and stochastic differential equations.
#include "analyses/koopman.hpp"

int main(int argc, char** argv) {
  return komori::analyses::run_driver(argc, argv, komori::analyses::koopman_driver());
}
