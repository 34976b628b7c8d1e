/// Named facts about the datasets and groups of an HDF5 file.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "io/hdf5.hpp"

namespace komori::io {

/// A named fact about a dataset or group. Every dataset has "meaning" and "unit".
struct Attribute {
  std::string name;
  std::variant<std::string, double, std::int64_t, std::vector<double>, std::vector<std::string>>
      value;
};
using Attributes = std::vector<Attribute>;

/// Adds the attributes to an open dataset or group, replacing those of the same name. All ranks
/// that opened the file pass the same. Throws Hdf5Error.
void write_attributes(hid_t object, const Attributes& attributes);

/// The type of a UTF-8 text of `length` bytes (1 if it is 0: HDF5 has no empty types).
Datatype text_type(std::size_t length);

/// Bytes of the longest text. Local.
std::size_t longest(const std::vector<std::string>& texts);

/// Texts side by side, each filled up with zeros to `length`. Local.
std::vector<char> padded(const std::vector<std::string>& texts, std::size_t length);

} // namespace komori::io
