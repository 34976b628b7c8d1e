/// What a test program on several ranks gives its tests.
#pragma once

#include "base/session.hpp"

namespace komori {

/// The session of this program, open while tests run. It speaks only warnings and errors.
base::Session& test_session();

} // namespace komori
