/// One declaration per input key, used three ways: to read it, to document it, to write it back.
///
/// A section is a struct and a free function `void declare(Declarer&, T&)` beside it that names
/// every member once. What the struct holds on entry is the default. Three declarers exist: the
/// `Reader` (strict YAML in, values out), the `HelpWriter` (`--help`), and the `ResolvedWriter`
/// (the input as resolved, kept in the result file).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace komori::config {

/// Where a value was written: a line of a file, or `--set` on the command line (line 0).
struct Origin {
  Origin() = default;
  Origin(std::string its_file, int its_line) : file(std::move(its_file)), line(its_line) {}

  std::string file;
  int line = 0;
  /// "inputs/double_well.yaml:7" or "--set spectrum.pairs=0".
  std::string text() const;
};

/// A formula as written, with the place that an error in it will name.
struct FormulaText {
  FormulaText() = default;
  FormulaText(std::string its_text, Origin its_origin, std::string its_path)
      : text(std::move(its_text)), origin(std::move(its_origin)), path(std::move(its_path)) {}

  std::string text;
  Origin origin;
  std::string path; ///< dotted key, e.g. "model.drift[1]"
  bool given() const noexcept { return !text.empty(); }
};

/// One formula, a list of them, or a matrix of them (`rank` 0, 1, 2), row by row.
struct FormulaArray {
  int rank = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<FormulaText> entries;
  Origin origin;
  bool given() const noexcept { return !entries.empty(); }
};

/// Whether a key may be left out.
enum class Need { optional, required };

/// What a key says of itself; `unit` is "-" for pure numbers and words.
struct About {
  std::string_view help;
  std::string_view unit = "-";
  Need need = Need::optional;
};

/// Closed interval of allowed numbers unless `min_excluded` or `max_excluded`. All are finite.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_excluded = false;
  bool max_excluded = false;
  static Range positive() { return {.min = 0, .min_excluded = true}; }
  static Range at_least(double min) { return {.min = min}; }
  static Range between(double min, double max) { return {.min = min, .max = max}; }
  bool holds(double value) const noexcept;
  std::string text() const; ///< "> 0", ">= 1", "in [0, 1]", "any number"
};

using Words = std::vector<std::string>;

/// A word of a list, or a number: `target: slowest` or `target: -3.3`.
struct WordOrNumber {
  std::string word; ///< empty: the number counts
  double number = 0;
};

/// What `declare` functions call. Every key is named once per section, in the order of `--help`.
/// Numbers may be written as constant formulas ("2*pi", "1/beta") of the constants defined so far.
class Declarer {
public:
  virtual ~Declarer() = default;

  virtual void boolean(std::string_view key, bool& value, About about) = 0;
  virtual void integer(std::string_view key, std::int64_t& value, About about, Range range) = 0;
  virtual void real(std::string_view key, double& value, About about, Range range) = 0;
  /// Seconds, written as 90, 90s, 10min, 30m, 2h, 1h30m or 1:30:00.
  virtual void duration(std::string_view key, double& seconds, About about, Range range) = 0;
  virtual void text(std::string_view key, std::string& value, About about) = 0;
  /// Names, e.g. of variables: identifiers, each once.
  virtual void names(std::string_view key, std::vector<std::string>& values, About about) = 0;
  /// A list of texts, e.g. of files; a single one is a list of one.
  virtual void texts(std::string_view key, std::vector<std::string>& values, About about) = 0;
  virtual void choice(std::string_view key, std::string& value, const Words& allowed,
                      About about) = 0;
  /// One word for all of `count` places, or a list of `count` words.
  virtual void choices(std::string_view key, std::vector<std::string>& values, const Words& allowed,
                       std::size_t count, About about) = 0;
  virtual void choice_or_real(std::string_view key, WordOrNumber& value, const Words& allowed,
                              About about) = 0;
  /// A list of numbers; a single number is a list of one.
  virtual void reals(std::string_view key, std::vector<double>& values, About about,
                     Range range) = 0;
  /// A list of equally long lists of numbers, e.g. points.
  virtual void real_rows(std::string_view key, std::vector<std::vector<double>>& rows,
                         About about) = 0;
  virtual void formula(std::string_view key, FormulaText& value, About about) = 0;
  /// One formula, a list or a matrix of formulas, as the value itself shows.
  virtual void formula_array(std::string_view key, FormulaArray& value, About about) = 0;
  /// Named formulas, any names: `observables: {mean_x: x}`, in the order written.
  virtual void named_formulas(std::string_view key, std::string_view placeholder,
                              std::vector<std::pair<std::string, FormulaText>>& values,
                              About about) = 0;
  /// Named constants; each may use those before it. They become constants for all that follows.
  virtual void constants(std::string_view key, std::string_view placeholder,
                         std::vector<std::pair<std::string, double>>& values, About about) = 0;
  /// Lists of numbers under any names, in the order written: `on: {x: [-1, 1], y: [0, 2]}`.
  virtual void named_reals(std::string_view key, std::string_view placeholder,
                           std::vector<std::pair<std::string, std::vector<double>>>& values,
                           About about) = 0;

  /// A section that may be absent; `declare` of T runs on a default T and fills `value`.
  template <class T> void section(std::string_view key, std::optional<T>& value, About about) {
    begin_section(key, value.has_value(), about, [&](Declarer& inner) {
      if (!value) value.emplace();
      declare(inner, *value);
    });
  }
  /// A section that always exists (all its keys may have defaults).
  template <class T> void section(std::string_view key, T& value, About about) {
    begin_section(key, true, about, [&](Declarer& inner) { declare(inner, value); });
  }
  /// A formula, or a section in its place: `initial: exp(-x^2)` or `initial: {point: [0]}`.
  template <class T>
  void formula_or_section(std::string_view key, FormulaText& formula, std::optional<T>& value,
                          About about) {
    begin_formula_or_section(key, formula, value.has_value(), about, [&](Declarer& inner) {
      if (!value) value.emplace();
      declare(inner, *value);
    });
  }
  /// Sections under any names, in the order written: `grid: {x: {...}, y: {...}}`.
  template <class T>
  void named_sections(std::string_view key, std::string_view placeholder,
                      std::vector<std::pair<std::string, T>>& values, About about) {
    std::vector<std::string> present;
    present.reserve(values.size());
    for (const auto& value : values) present.push_back(value.first);
    begin_named_sections(key, placeholder, present, about,
                         [&](Declarer& inner, std::size_t i, std::string name) {
                           if (i == values.size()) values.emplace_back(std::move(name), T{});
                           declare(inner, values[i].second);
                         });
  }
  /// A list of sections, in the order written: `layers: [{...}, {...}]`.
  template <class T> void section_list(std::string_view key, std::vector<T>& values, About about) {
    begin_section_list(key, values.size(), about, [&](Declarer& inner, std::size_t i) {
      // What is read takes the place of the default list as a whole.
      if (inner.reading() && i == 0) values.clear();
      if (i == values.size()) values.emplace_back();
      declare(inner, values[i]);
    });
  }

  /// Throws InputError that names this section's place, for checks that span several keys:
  /// `reject("from", "must be below 'to'")`. The HelpWriter and ResolvedWriter ignore it.
  virtual void reject(std::string_view key, const std::string& problem) = 0;
  /// True while real input is being read, i.e. when cross-key checks make sense.
  virtual bool reading() const noexcept = 0;
  /// Where this section (or a key of it) was written.
  virtual Origin origin(std::string_view key) const = 0;

protected:
  using Inner = std::function<void(Declarer&)>;
  using InnerNamed = std::function<void(Declarer&, std::size_t, std::string)>;
  using InnerAt = std::function<void(Declarer&, std::size_t)>;
  virtual void begin_section(std::string_view key, bool present, About about,
                             const Inner& inner) = 0;
  virtual void begin_formula_or_section(std::string_view key, FormulaText& formula, bool present,
                                        About about, const Inner& inner) = 0;
  virtual void begin_named_sections(std::string_view key, std::string_view placeholder,
                                    const std::vector<std::string>& present, About about,
                                    const InnerNamed& inner) = 0;
  virtual void begin_section_list(std::string_view key, std::size_t present, About about,
                                  const InnerAt& inner) = 0;
};

} // namespace komori::config
