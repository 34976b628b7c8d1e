#include "io/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace komori::io {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
/// Far above what NumPy writes for an array of numbers; a longer header is no such array.
constexpr std::int64_t longest_header = 1 << 16;

[[noreturn]] void damaged(const std::string& what) {
  throw std::runtime_error("the .npy header " + what);
}

/// The dictionary of a header, of which NumPy writes three entries and no other.
class Dictionary {
public:
  explicit Dictionary(std::string_view text) : text_(text) {}

  NpyHeader read() {
    NpyHeader header;
    std::array<bool, 3> seen{};
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        note(seen[0], key);
        read_type(header);
      } else if (key == "fortran_order") {
        note(seen[1], key);
        header.by_columns = boolean();
      } else if (key == "shape") {
        note(seen[2], key);
        header.shape = tuple();
      } else {
        damaged("has an entry beside descr, fortran_order and shape");
      }
      if (accept('}')) break;
      expect(',');
    }
    blank();
    if (at_ != text_.size()) damaged("goes on after its '}'");
    if (!seen[0] || !seen[1] || !seen[2]) damaged("lacks descr, fortran_order or shape");
    return header;
  }

private:
  static void note(bool& seen, const std::string& key) {
    if (seen) damaged(fmt::format("has '{}' twice", key));
    seen = true;
  }
  void blank() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool accept(char c) {
    blank();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) damaged(fmt::format("is damaged: '{}' is missing at byte {}", c, at_));
  }
  std::string quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) damaged("is damaged: a text has no end");
    std::string word(text_.substr(at_, end - at_));
    at_ = end + 1;
    return word;
  }
  bool word(std::string_view wanted) {
    blank();
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  bool boolean() {
    if (word("True")) return true;
    if (!word("False")) damaged("is damaged: fortran_order is neither True nor False");
    return false;
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> shape;
    expect('(');
    while (!accept(')')) {
      blank();
      const std::size_t begin = at_;
      std::int64_t value = 0;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        if (value > std::numeric_limits<std::int64_t>::max() / 100) damaged("has an absurd shape");
        value = 10 * value + (text_[at_] - '0');
      }
      if (at_ == begin) damaged("is damaged: the shape holds something that is no number");
      shape.push_back(value);
      if (accept(')')) break;
      expect(',');
    }
    return shape;
  }
  void read_type(NpyHeader& header) {
    blank();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw std::runtime_error("the array has named fields, but must hold plain numbers; write the "
                               "fields as columns of one array");
    }
    const std::string type = quoted();
    const bool sound =
        type.size() == 3 && std::string_view("<>|=").find(type[0]) != std::string::npos;
    const bool known = sound && (type.substr(1) == "f4" || type.substr(1) == "f8" ||
                                 ((type[1] == 'i' || type[1] == 'u') &&
                                  std::string_view("1248").find(type[2]) != std::string::npos));
    if (!known) {
      const bool plain =
          std::all_of(type.begin(), type.end(), [](char c) { return c > 32 && c < 127; });
      throw std::runtime_error(
          fmt::format("the array holds numbers of type '{}', but must hold floating point of 4 or "
                      "8 bytes or integers; write it by array.astype('f8')",
                      plain ? type.substr(0, 20) : "?"));
    }
    header.kind = type[1];
    header.bytes = type[2] - '0';
    const bool native_big = std::endian::native == std::endian::big;
    header.big_endian = type[0] == '>' || (type[0] != '<' && native_big);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

template <class Number> void decode(bool swap, const char* raw, std::size_t count, double* values) {
  for (std::size_t i = 0; i < count; ++i) {
    std::array<char, sizeof(Number)> bytes{};
    std::memcpy(bytes.data(), raw + i * sizeof(Number), sizeof(Number));
    if (swap) std::reverse(bytes.begin(), bytes.end());
    values[i] = static_cast<double>(std::bit_cast<Number>(bytes));
  }
}

} // namespace

std::int64_t NpyHeader::count() const {
  std::int64_t count = 1;
  for (const std::int64_t entries : shape) {
    if (entries == 0) return 0;
    if (count > std::numeric_limits<std::int64_t>::max() / 16 / entries) {
      damaged(fmt::format("has the absurd shape ({})", fmt::join(shape, ", ")));
    }
    count *= entries;
  }
  return count;
}

bool is_npy(std::istream& file) {
  std::array<char, magic.size()> begin{};
  file.seekg(0);
  file.read(begin.data(), begin.size());
  const bool whole = file.gcount() == static_cast<std::streamsize>(begin.size());
  file.clear();
  return whole && std::string_view(begin.data(), begin.size()) == magic;
}

NpyHeader read_npy_header(std::istream& file, std::int64_t file_bytes) {
  std::array<unsigned char, 4> length{};
  std::array<char, 2> version{};
  file.seekg(static_cast<std::streamoff>(magic.size()));
  file.read(version.data(), 2);
  if (!file || version[0] < 1 || version[0] > 3 || version[1] != 0) {
    damaged(fmt::format("is of version {}.{}, but must be of 1.0, 2.0 or 3.0", int{version[0]},
                        int{version[1]}));
  }
  const int digits = version[0] == 1 ? 2 : 4;
  file.read(reinterpret_cast<char*>(length.data()), digits);
  std::int64_t bytes = 0;
  for (int i = digits; i-- > 0;) bytes = 256 * bytes + length[static_cast<std::size_t>(i)];
  const std::int64_t begin = static_cast<std::int64_t>(magic.size()) + 2 + digits;
  if (!file || bytes > longest_header || begin + bytes > file_bytes) {
    damaged(fmt::format("claims {} bytes, but the file has {}", bytes, file_bytes));
  }
  std::string text(static_cast<std::size_t>(bytes), '\0');
  file.read(text.data(), bytes);
  if (!file) damaged("cannot be read");
  NpyHeader header = Dictionary(text).read();
  header.offset = begin + bytes;
  const std::int64_t needed = header.offset + header.count() * header.bytes;
  if (needed != file_bytes) {
    throw std::runtime_error(
        fmt::format("an array of shape ({}) needs {} bytes, but the file has {}; it is {}",
                    fmt::join(header.shape, ", "), needed, file_bytes,
                    needed > file_bytes ? "cut short" : "followed by something else"));
  }
  return header;
}

void decode_npy(const NpyHeader& header, const char* raw, std::size_t count, double* values) {
  const bool swap = header.big_endian != (std::endian::native == std::endian::big);
  switch (header.kind == 'f'   ? -header.bytes
          : header.kind == 'i' ? header.bytes
                               : 10 * header.bytes) {
  case -4:
    return decode<float>(swap, raw, count, values);
  case -8:
    return decode<double>(swap, raw, count, values);
  case 1:
    return decode<std::int8_t>(swap, raw, count, values);
  case 2:
    return decode<std::int16_t>(swap, raw, count, values);
  case 4:
    return decode<std::int32_t>(swap, raw, count, values);
  case 8:
    return decode<std::int64_t>(swap, raw, count, values);
  case 10:
    return decode<std::uint8_t>(swap, raw, count, values);
  case 20:
    return decode<std::uint16_t>(swap, raw, count, values);
  case 40:
    return decode<std::uint32_t>(swap, raw, count, values);
  default:
    return decode<std::uint64_t>(swap, raw, count, values);
  }
}

} // namespace komori::io
