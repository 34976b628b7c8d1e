/// The header of a NumPy array file, which may hold anything. Internal to io.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace komori::io {

/// What a .npy file says of the array in it.
struct NpyHeader {
  char kind = 'f';         ///< f: floating point, i: signed, u: unsigned integers
  int bytes = 8;           ///< of one number
  bool big_endian = false; ///< most significant byte first
  bool by_columns = false; ///< Fortran order: the first index runs fastest
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0; ///< of the first number in the file

  std::int64_t count() const; ///< numbers in the array
};

/// Whether a file begins as .npy does. Local.
bool is_npy(std::istream& file);

/// Reads the header (format versions 1.0 to 3.0; NumPy enhancement proposal 1) of a file of
/// `file_bytes` and makes sure that the file holds exactly the array. Throws std::runtime_error for
/// whatever is wrong, without the name of the file. Local.
NpyHeader read_npy_header(std::istream& file, std::int64_t file_bytes);

/// Turns `count` numbers, as they lie in the file, to doubles. Integers beyond 2^53 are rounded.
/// Local.
void decode_npy(const NpyHeader& header, const char* raw, std::size_t count, double* values);

} // namespace komori::io
