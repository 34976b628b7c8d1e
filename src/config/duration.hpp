/// Lengths of time as users write them. All local.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace komori::config {

/// Seconds of "90", "90s", "10min", "30m", "2h", "1.5h", "1h30m", "1d", "1:30:00" (h:min:s) or
/// SLURM's "1-12:00:00" (days-h:min:s); nothing for any other text. "1:30" is refused: it means
/// hours to some and minutes to others.
std::optional<double> parse_duration(std::string_view text);

/// What `parse_duration` understands, for messages.
constexpr std::string_view duration_examples = "90s, 10min, 2h, 1h30m or 1:30:00";

} // namespace komori::config
