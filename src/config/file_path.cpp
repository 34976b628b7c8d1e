#include "config/file_path.hpp"

#include <filesystem>

namespace komori::config {

std::string sought(const std::string& path, const Origin& origin) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (fs::exists(path, code) || fs::path(path).is_absolute() || origin.file.empty()) return path;
  const fs::path beside = fs::path(origin.file).parent_path() / path;
  return fs::exists(beside, code) ? beside.string() : path;
}

} // namespace komori::config
