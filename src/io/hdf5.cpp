#include "io/hdf5.hpp"

namespace komori::io {
namespace {

herr_t keep_first(unsigned, const H5E_error2_t* error, void* message) {
  auto* text = static_cast<std::string*>(message);
  if (text->empty() && error->desc) *text = error->desc;
  return 0;
}

} // namespace

void raise_hdf5(const std::string& what) {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &message);
  throw Hdf5Error(what + ": " + (message.empty() ? "HDF5 failed" : message));
}

void silence_hdf5() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

} // namespace komori::io
