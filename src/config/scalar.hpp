/// Single values of the input: from text to number, with the message when it is none.
/// Internal to config. All local.
#pragma once

#include <cstdint>
#include <string>

#include "config/formula_check.hpp"
#include "config/node.hpp"

namespace komori::config {

/// "a number", "an integer >= 1", "a number in [0, 1]": what a message asks for.
std::string requirement(const char* kind, const Range& range);

/// Throws InputError "<origin>: '<path>' is <what>, but must be <allowed>".
[[noreturn]] void refuse(const Node& node, const std::string& path, const std::string& allowed,
                         const std::string& hint = "");

/// A finite number in the range, written as such or as a formula of the constants.
double read_real(const Node& node, const std::string& path, const Constants& constants,
                 const Range& range);

/// Likewise, and integral: 512, 1e6 or 2*n.
std::int64_t read_integer(const Node& node, const std::string& path, const Constants& constants,
                          const Range& range);

/// Whether the text is a number or could be meant as a formula, rather than a word.
bool looks_like_number(const Node& node, const Constants& constants);

} // namespace komori::config
