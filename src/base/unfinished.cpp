#include "base/unfinished.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace komori::base {
namespace {

std::vector<std::string>& marked() {
  // Never destroyed: it is asked while the process ends.
  static auto& paths = *new std::vector<std::string>;
  return paths;
}

} // namespace

void mark_unfinished(const std::string& path) {
  marked().push_back(path);
}

void mark_finished(const std::string& path) {
  marked().erase(std::remove(marked().begin(), marked().end(), path), marked().end());
}

void remove_unfinished() noexcept {
  for (const std::string& path : marked()) (void)std::remove(path.c_str());
}

} // namespace komori::base
