/// Problems with known answers, solved on this installation: exits 0 if all come out right.
#include "analyses/verify.hpp"

int main(int argc, char** argv) {
  return komori::analyses::run_driver(argc, argv, komori::analyses::verify_driver());
}
