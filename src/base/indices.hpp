/// Problems with more unknowns or matrix entries than an index of this build can number.
#pragma once

#include <string>
#include <string_view>

namespace komori::base {

/// "this build's 32-bit indices".
std::string own_indices();
/// "a komori built with 64-bit indices (...)", with how to get one.
std::string wider_indices();

/// Throws MemoryError if `PetscInt` cannot number `count` things: "<whole> 8e+09 <things>, more
/// than
/// ...", as in "the grid has", "cells". `instead` is what helps but another build: "fewer cells".
/// Local: throws on all ranks or none where they give the same count.
void require_countable(double count, std::string_view whole, std::string_view things,
                       std::string_view instead);

} // namespace komori::base
