#include "base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpi_main.hpp"

namespace komori::base {
namespace {

using testing::HasSubstr;

/// What `body` prints on this rank: standard output, then standard error.
template <class Body> std::string printed(const Body& body) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  body();
  const std::string out = testing::internal::GetCapturedStdout();
  return out + testing::internal::GetCapturedStderr();
}

bool speaks() {
  return test_session().rank() == 0;
}
std::string on_first(const std::string& text) {
  return speaks() ? text : "";
}

TEST(Log, texts_become_json_strings) {
  EXPECT_EQ(json_string("plain"), R"("plain")");
  EXPECT_EQ(json_string(R"(a "b" \c)"), R"("a \"b\" \\c")");
  EXPECT_EQ(json_string("line\nend\x01"), R"("line\u000aend\u0001")");
  EXPECT_EQ(json_string("µm"), "\"µm\"");
  EXPECT_EQ(json_string(""), R"("")");
}

TEST(Log, durations_and_sizes_are_readable) {
  EXPECT_EQ(duration_text(1.534), "1.53 s");
  EXPECT_EQ(duration_text(123.4), "2 min 03 s");
  EXPECT_EQ(duration_text(3860), "1 h 04 min");
  EXPECT_EQ(bytes_text(12'300), "12.3 kB");
  EXPECT_EQ(bytes_text(12.34e6), "12.3 MB");
  EXPECT_EQ(bytes_text(1.2e9), "1.20 GB");
}

TEST(Log, only_the_first_rank_speaks) {
  Log log(test_session().comm());
  EXPECT_EQ(printed([&] { log.line("hello"); }), on_first("hello\n"));
  EXPECT_EQ(printed([&] { log.warning("careful"); }), on_first("warning: careful\n"));
  EXPECT_THAT(log.warnings(), testing::ElementsAre("careful")); // kept on every rank
}

TEST(Log, quiet_keeps_warnings_and_errors) {
  Log log(test_session().comm());
  log.set_level(Log::Level::quiet);
  EXPECT_EQ(printed([&] {
              log.line("hello");
              log.table("t", {"a"}, {{"1"}});
              log.progress(0.5, "half");
            }),
            "");
  EXPECT_EQ(printed([&] { log.error("broken"); }), on_first("error: broken\n"));
}

TEST(Log, json_lines_are_objects_with_an_event) {
  Log log(test_session().comm());
  log.set_format(Log::Format::json);
  EXPECT_EQ(printed([&] { log.line("a \"quote\""); }),
            on_first(R"({"event":"line","text":"a \"quote\""})"
                     "\n"));
  EXPECT_EQ(printed([&] {
              log.table("T", {"name", "value"}, {{"x", "1"}, {"y", "2"}});
            }),
            on_first(R"({"event":"table","title":"T","rows":[{"name":"x","value":"1"},)"
                     R"({"name":"y","value":"2"}]})"
                     "\n"));
}

TEST(Log, tables_are_aligned) {
  Log log(test_session().comm());
  const std::string text = printed([&] {
    log.table("Title", {"name", "n"}, {{"x", "1"}, {"longer", "22"}});
  });
  EXPECT_EQ(text, on_first("\nTitle\n  name     n\n  ----------\n  x        1\n  longer  22\n\n"));
}

TEST(Phase, is_recorded_once_finished) {
  Log log(test_session().comm());
  log.set_format(Log::Format::json);
  const std::string text = printed([&] {
    Phase phase(log, "solve");
    phase.finish("3 pairs");
    phase.finish("again");
  });
  ASSERT_EQ(log.phases().size(), 1U);
  EXPECT_EQ(log.phases()[0].name, "solve");
  EXPECT_GE(log.phases()[0].seconds, 0);
  EXPECT_GT(log.phases()[0].peak_bytes, 0);
  if (speaks()) {
    EXPECT_THAT(text, HasSubstr(R"({"event":"phase","name":"solve","seconds":)"));
    EXPECT_THAT(text, HasSubstr(R"("remark":"3 pairs"})"));
  }
  { const Phase abandoned(log, "never finished"); }
  EXPECT_EQ(log.phases().size(), 1U);
}

TEST(Log, progress_reaches_the_terminal_at_most_twice_a_second) {
  Log log(test_session().comm());
  Phase phase(log, "long");
  EXPECT_EQ(printed([&] {
              for (int i = 0; i < 100; ++i) log.progress(i / 100.0, "step");
            }),
            "");
}

} // namespace
} // namespace komori::base
