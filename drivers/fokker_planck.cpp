/// Stationary density, spectrum, evolution and transitions of a stochastic differential equation.
#include "analyses/fokker_planck.hpp"

int main(int argc, char** argv) {
  return komori::analyses::run_driver(argc, argv, komori::analyses::fokker_planck_driver());
}
