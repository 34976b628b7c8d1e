/// What the tests of config share.
#pragma once

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/reader.hpp"

namespace komori::config {

/// The text of the InputError that `body` throws, or a note that it threw none.
template <class Body> std::string message_of(const Body& body) {
  try {
    body();
  } catch (const base::InputError& error) {
    EXPECT_EQ(error.code(), base::ExitCode::input);
    return error.what();
  }
  return "(no error)";
}

/// Reads a T from YAML text that stands in "inputs/a.yaml".
template <class T> T read_yaml(const std::string& yaml) {
  return read<T>(parse(yaml, "inputs/a.yaml"));
}

template <class T> std::string read_error(const std::string& yaml) {
  return message_of([&] { read_yaml<T>(yaml); });
}

} // namespace komori::config
