/// `--help` of the input keys, from the same declarations that read them. All local.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/declaration.hpp"

namespace komori::config {

/// What is known of one key or section.
struct HelpEntry {
  std::string path;          ///< dotted, e.g. "grid.<axis>.cells"
  std::string key;           ///< its last part
  std::size_t depth = 0;     ///< sections around it
  std::string type;          ///< with what is allowed: "integer >= 1", "one of a, b", "section"
  std::string unit;          ///< "-" for pure numbers and words
  std::string default_value; ///< as written in an input; empty if there is none
  bool required = false;
  bool section = false;
  std::string help;
};

/// Collects an entry per key, in the order declared.
class HelpWriter final : public Declarer {
public:
  const std::vector<HelpEntry>& entries() const noexcept { return entries_; }
  /// All entries, indented by section, in lines of at most 100 columns.
  std::string text() const;

  void boolean(std::string_view key, bool& value, About about) override;
  void integer(std::string_view key, std::int64_t& value, About about, Range range) override;
  void real(std::string_view key, double& value, About about, Range range) override;
  void duration(std::string_view key, double& seconds, About about, Range range) override;
  void text(std::string_view key, std::string& value, About about) override;
  void names(std::string_view key, std::vector<std::string>& values, About about) override;
  void texts(std::string_view key, std::vector<std::string>& values, About about) override;
  void choice(std::string_view key, std::string& value, const Words& allowed, About about) override;
  void choices(std::string_view key, std::vector<std::string>& values, const Words& allowed,
               std::size_t count, About about) override;
  void choice_or_real(std::string_view key, WordOrNumber& value, const Words& allowed,
                      About about) override;
  void reals(std::string_view key, std::vector<double>& values, About about, Range range) override;
  void real_rows(std::string_view key, std::vector<std::vector<double>>& rows,
                 About about) override;
  void formula(std::string_view key, FormulaText& value, About about) override;
  void formula_array(std::string_view key, FormulaArray& value, About about) override;
  void named_formulas(std::string_view key, std::string_view placeholder,
                      std::vector<std::pair<std::string, FormulaText>>& values,
                      About about) override;
  void constants(std::string_view key, std::string_view placeholder,
                 std::vector<std::pair<std::string, double>>& values, About about) override;
  void named_reals(std::string_view key, std::string_view placeholder,
                   std::vector<std::pair<std::string, std::vector<double>>>& values,
                   About about) override;
  void reject(std::string_view, const std::string&) override {}
  bool reading() const noexcept override { return false; }
  Origin origin(std::string_view) const override { return {}; }

protected:
  void begin_section(std::string_view key, bool present, About about, const Inner& inner) override;
  void begin_formula_or_section(std::string_view key, FormulaText& formula, bool present,
                                About about, const Inner& inner) override;
  void begin_named_sections(std::string_view key, std::string_view placeholder,
                            const std::vector<std::string>& present, About about,
                            const InnerNamed& inner) override;
  void begin_section_list(std::string_view key, std::size_t present, About about,
                          const InnerAt& inner) override;

private:
  HelpEntry& add(std::string_view key, About about, std::string type,
                 std::string default_value = "");
  void within(std::string_view key, const Inner& inner);

  std::vector<HelpEntry> entries_;
  std::vector<std::string> sections_; ///< around the key at hand
};

/// The entries of every key of a T, and their text. `value` holds the defaults.
template <class T> HelpWriter help(T value = T{}) {
  HelpWriter writer;
  declare(writer, value);
  return writer;
}

/// Breaks `text` at blanks into lines of at most `columns`; the first begins with `first` blanks,
/// the others with `others`. Each line ends with a line end. Words longer than a line stay whole.
std::string wrapped(std::string_view text, std::size_t first, std::size_t others,
                    std::size_t columns = 100);

} // namespace komori::config
