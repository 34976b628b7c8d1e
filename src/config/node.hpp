/// The input as a plain tree: read, parsed, changed by `--set`, before any meaning is given to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <mpi.h>

#include "config/declaration.hpp"

namespace komori::config {

/// One value of the input, or a list or section of values.
struct Node {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  bool quoted = false;        ///< the scalar stood in quotes
  int line = 0;               ///< where its key, or in a list itself, was written
  std::string key;            ///< in a map: its name, unique there
  std::string text;           ///< of a scalar, as written
  std::vector<Node> children; ///< of a list or map, in the order written
  std::shared_ptr<const std::string> file;

  /// The child of that name, or null. Also for kinds other than map, which have none.
  const Node* find(std::string_view name) const noexcept;
  Node* find(std::string_view name) noexcept;
  Origin origin() const;
  /// "a list", "a section", "empty", or the scalar itself: -3 or 'ten'.
  std::string shown() const;
};

/// What a file may hold at most; beyond, `read_text` and `parse` throw InputError.
struct Limits {
  static constexpr std::size_t file_bytes = 16u << 20;
  static constexpr std::size_t depth = 64;
  static constexpr std::size_t nodes = 1'000'000; ///< aliases count as what they stand for
  static constexpr std::size_t text_bytes = 4u * (16u << 20);
};

/// The bytes of a text file. Collective: rank 0 reads, all ranks return the same text or throw the
/// same InputError (absent, a folder, unreadable, too large, not UTF-8 text).
std::string read_text(MPI_Comm comm, const std::string& path);

/// The tree of one YAML document whose root is a map; `file` names it in messages. Throws
/// InputError "file:line: ..." for bad syntax, a duplicate key, an explicit tag, a key that is not
/// a word, several documents, none, or one beyond `Limits`. Local.
Node parse(const std::string& text, const std::string& file);

/// The tree of a value of any kind without a file, every node of it at `origin`. Local.
Node parse_value(const std::string& text, const Origin& origin);

/// Carries out `--set a.b[1]=value`: replaces or adds the value (YAML, e.g. `{x: 1}`), creates the
/// sections on the way, and marks all of it as coming from `--set`. Throws InputError. Local.
void apply_set(Node& root, const std::string& assignment);

} // namespace komori::config
