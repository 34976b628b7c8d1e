/// ONNX files for tests, encoded by hand so that they can be wrong, too.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace komori::operators {

/// Protocol buffers' wire format.
inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
inline std::string number(int field, std::int64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(static_cast<std::uint64_t>(value));
}
inline std::string part(int field, const std::string& bytes) {
  return varint((static_cast<std::uint64_t>(field) << 3) | 2) + varint(bytes.size()) + bytes;
}
template <class Number> std::string raw(const std::vector<double>& values) {
  std::string bytes;
  for (const double value : values) {
    const auto converted = static_cast<Number>(value);
    bytes.append(reinterpret_cast<const char*>(&converted), sizeof converted);
  }
  return bytes;
}

/// Attributes of a node.
inline std::string real(const std::string& name, float value) {
  std::string bits(sizeof value, '\0');
  std::memcpy(bits.data(), &value, sizeof value);
  return part(1, name) + varint((2 << 3) | 5) + bits + number(20, 1);
}
inline std::string whole(const std::string& name, std::int64_t value) {
  return part(1, name) + number(3, value) + number(20, 2);
}
inline std::string graph_within(const std::string& name) {
  return part(1, name) + part(6, part(2, "inner")) + number(20, 5);
}

/// A model that grows part by part.
class OnnxBytes {
public:
  static constexpr int type_float = 1;
  static constexpr int type_int8 = 3;
  static constexpr int type_int64 = 7;
  static constexpr int type_half = 10;
  static constexpr int type_double = 11;
  static constexpr int type_bfloat = 16;

  /// Extents below 0 are written as names.
  explicit OnnxBytes(const std::vector<std::int64_t>& shape) { value(11, "x", shape); }

  OnnxBytes& tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                    const std::vector<double>& values, int type = type_double) {
    const std::string data = type == type_float   ? raw<float>(values)
                             : type == type_int64 ? raw<std::int64_t>(values)
                                                  : raw<double>(values);
    return tensor_part(name, shape, number(2, type) + part(9, data));
  }
  OnnxBytes& tensor_part(const std::string& name, const std::vector<std::int64_t>& shape,
                         const std::string& rest) {
    std::string bytes = part(8, name) + rest;
    for (const std::int64_t extent : shape) bytes += number(1, extent);
    graph_ += part(5, bytes);
    return *this;
  }
  OnnxBytes& node(const std::string& type, const std::vector<std::string>& inputs,
                  const std::string& output, const std::vector<std::string>& attributes = {},
                  const std::string& domain = "") {
    std::string bytes = part(2, output) + part(3, "n_" + output) + part(4, type);
    for (const std::string& input : inputs) bytes += part(1, input);
    for (const std::string& attribute : attributes) bytes += part(5, attribute);
    if (!domain.empty()) bytes += part(7, domain);
    graph_ += part(1, bytes);
    return *this;
  }
  OnnxBytes& value(int field, const std::string& name, const std::vector<std::int64_t>& shape) {
    std::string extents;
    for (const std::int64_t extent : shape) {
      extents += part(1, extent < 0 ? part(2, "batch") : number(1, extent));
    }
    graph_ += part(field, part(1, name) + part(2, part(1, number(1, 1) + part(2, extents))));
    return *this;
  }
  /// The whole file, with y as its output.
  std::string bytes() const {
    std::string graph = graph_ + part(12, part(1, "y"));
    return number(1, 8) + part(8, number(2, 17)) + part(7, part(2, "test") + graph);
  }

private:
  std::string graph_;
};

} // namespace komori::operators
