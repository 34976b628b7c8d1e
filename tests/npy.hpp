/// .npy files for tests.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace komori::support {

/// The bytes of a .npy file of doubles [rows, columns].
inline std::string npy(const std::vector<double>& values, std::size_t columns) {
  const std::string header =
      fmt::format("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}\n",
                  values.size() / columns, columns);
  std::string text("\x93NUMPY\1\0", 8);
  text += static_cast<char>(header.size() & 255);
  text += static_cast<char>(header.size() >> 8);
  text += header;
  const std::size_t begin = text.size();
  text.resize(begin + 8 * values.size());
  std::memcpy(text.data() + begin, values.data(), 8 * values.size());
  return text;
}

} // namespace komori::support
