/// Neural networks as chains of operators between their layers.
#include "analyses/network.hpp"

int main(int argc, char** argv) {
  return komori::analyses::run_driver(argc, argv, komori::analyses::network_driver());
}
