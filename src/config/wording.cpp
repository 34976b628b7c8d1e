#include "config/wording.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::config {

namespace {

bool continues_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

} // namespace

void fail(const Origin& origin, const std::string& text) {
  const std::string place = origin.text();
  throw base::InputError(place.empty() ? text : place + ": " + text);
}

std::string shortened(std::string_view text, std::size_t limit) {
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (line.size() >= limit && !continues_character(c)) return line + "...";
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      line += c;
    }
  }
  return line;
}

std::string in_quotes(std::string_view text, std::size_t limit) {
  return fmt::format("'{}'", shortened(text, limit));
}

std::string listed(const std::vector<std::string>& words, std::size_t limit) {
  std::string list;
  for (std::size_t i = 0; i < std::min(words.size(), limit); ++i)
    list += (i ? ", " : "") + shortened(words[i]);
  if (words.size() > limit) list += fmt::format(" and {} more", words.size() - limit);
  return list;
}

bool is_identifier(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 64 && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

} // namespace komori::config
