/// How values and places read in error messages. All local.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/declaration.hpp"

namespace komori::config {

/// Throws InputError "<origin>: <text>" (without the colon where the origin is unknown).
[[noreturn]] void fail(const Origin& origin, const std::string& text);

/// One line of at most about `limit` characters: line ends and control characters as "\n" or
/// "\x1b", the rest as "...". Cuts between UTF-8 characters only.
std::string shortened(std::string_view text, std::size_t limit = 60);

/// `shortened` in single quotes.
std::string in_quotes(std::string_view text, std::size_t limit = 60);

/// "a, b, c"; what goes beyond `limit` words is counted: "a, b and 7 more".
std::string listed(const std::vector<std::string>& words, std::size_t limit = 40);

/// Whether `text` can name a variable or a constant: a letter, then letters, digits and "_", at
/// most 64 characters.
bool is_identifier(std::string_view text) noexcept;

} // namespace komori::config
