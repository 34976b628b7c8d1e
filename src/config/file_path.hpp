/// Where the files lie that an input names.
#pragma once

#include <string>

#include "config/declaration.hpp"

namespace komori::config {

/// The path itself where it leads somewhere from the current folder or is absolute, else the same
/// path from the folder of the input file that names it, if there is something. Local.
std::string sought(const std::string& path, const Origin& origin);

} // namespace komori::config
