/// Files that must not stay behind when the process ends before they are whole.
#pragma once

#include <string>

namespace komori::base {

/// Between the two calls the file is removed if a rank aborts the job or a library ends the
/// process. All ranks name it: any of them may be the last to act. Local.
void mark_unfinished(const std::string& path);
void mark_finished(const std::string& path);

/// Removes all files marked. Local, never throws.
void remove_unfinished() noexcept;

} // namespace komori::base
