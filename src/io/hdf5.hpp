/// Ownership of HDF5 identifiers and checked calls.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <hdf5.h>

namespace komori::io {

/// An HDF5 call failed; `what()` carries the library's innermost message.
class Hdf5Error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Throws Hdf5Error "<what>: <HDF5's message>". Local.
[[noreturn]] void raise_hdf5(const std::string& what);

/// Keeps HDF5 from printing its error stack; errors are thrown instead.
void silence_hdf5();

/// Unique owner of one HDF5 identifier.
template <herr_t (*Close)(hid_t)> class Identifier {
public:
  Identifier() = default;
  /// Takes over `id`; throws Hdf5Error naming `what` if it is invalid.
  Identifier(hid_t id, const std::string& what) : id_(id) {
    if (id < 0) raise_hdf5(what);
  }
  Identifier(const Identifier&) = delete;
  Identifier(Identifier&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Identifier& operator=(const Identifier&) = delete;
  Identifier& operator=(Identifier&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Identifier() { (void)close(); }
  hid_t get() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ >= 0; }
  /// Closes now; false if HDF5 could not, e.g. because buffered data found no room.
  bool close() noexcept { return id_ < 0 || Close(std::exchange(id_, -1)) >= 0; }
  /// Gives up ownership without closing.
  void release() noexcept { id_ = -1; }

private:
  hid_t id_ = -1;
};

using File = Identifier<H5Fclose>;
using Group = Identifier<H5Gclose>;
using Dataset = Identifier<H5Dclose>;
using Dataspace = Identifier<H5Sclose>;
using Datatype = Identifier<H5Tclose>;
using AttributeId = Identifier<H5Aclose>;
using PropertyList = Identifier<H5Pclose>;
using Object = Identifier<H5Oclose>;

/// Throws unless `status` is one of success.
inline void check_hdf5(herr_t status, const std::string& what) {
  if (status < 0) raise_hdf5(what);
}

} // namespace komori::io
