/// Tables of numbers as text, which may hold anything. Internal to io.
#pragma once

#include <cstddef>
#include <istream>
#include <vector>

namespace komori::io {

struct CsvTable {
  std::size_t columns = 1;
  std::vector<double> values{}; ///< row by row, all finite
};

/// Reads rows of numbers between commas, to the end. The first line may be names, empty lines are
/// passed over. Throws std::runtime_error that names line and column (from 1) of what is no finite
/// number, or the line that is longer or shorter than the first. Local.
CsvTable read_csv(std::istream& stream);

} // namespace komori::io
