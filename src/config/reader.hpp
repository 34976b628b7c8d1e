/// Strict reading of an input tree: every key is known, every value checked, or an InputError says
/// file, line, key, value, what is allowed and how to mend it. All local.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/node.hpp"

namespace komori::config {

/// Reads one section; sections within are read by readers of their own.
class Reader final : public Declarer {
public:
  /// The root of an input, which must outlive the reader.
  explicit Reader(const Node& root);

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
  [[noreturn]] void reject(std::string_view key, const std::string& problem) override;
  bool reading() const noexcept override { return true; }
  /// Of the key if it was written, otherwise of the section (or of the one around it).
  Origin origin(std::string_view key) const override;

  /// The constants defined so far anywhere in this input, in their order.
  const std::vector<std::pair<std::string, double>>& constants() const noexcept {
    return *constants_;
  }
  /// Throws InputError if the section holds a key that was not declared.
  void finish() const;

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
  using Constants = std::vector<std::pair<std::string, double>>;
  Reader(const Node* section, std::string path, Origin origin,
         std::shared_ptr<Constants> constants);

  /// Notes the key as declared; its node, or null where it was left out.
  const Node* declared(std::string_view key, const About& about, const std::string& allowed);
  /// Likewise, but refuses an empty value.
  const Node* value_of(std::string_view key, const About& about, const std::string& allowed);
  std::string path_of(std::string_view key) const;
  FormulaText formula_of(const Node& node, const std::string& path) const;
  void read_within(const Node* node, const std::string& path, const Inner& inner) const;

  const Node* section_; ///< null: the section is absent, all its keys keep their defaults
  std::string path_;
  Origin origin_;
  std::vector<std::string> declared_; ///< in order, for messages
  std::shared_ptr<Constants> constants_;
};

/// Reads a whole input into a T whose `declare(Declarer&, T&)` names the keys; `value` holds the
/// defaults.
template <class T> T read(const Node& root, T value = T{}) {
  Reader reader(root);
  declare(reader, value);
  reader.finish();
  return value;
}

} // namespace komori::config
