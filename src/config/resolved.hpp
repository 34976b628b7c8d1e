/// The input as it was understood, written back as YAML: every key, defaults filled in. All local.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/declaration.hpp"

namespace komori::config {

/// Writes values so that reading the text gives the same values bit by bit. Optional sections and
/// formulas appear only when present; numbers without a finite value and empty lists are left out.
class ResolvedWriter final : public Declarer {
public:
  const std::string& text() const noexcept { return text_; }

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
  void line(std::string_view key, const std::string& value);
  /// "key:" and what `body` writes one level deeper, or "key: {}" if that is nothing.
  void nested(std::string_view key, const std::function<void()>& body);

  std::string text_;
  std::size_t depth_ = 0;
};

/// The whole input of a T as YAML. Sections under no name yet are not invented.
template <class T> std::string resolved(T value) {
  ResolvedWriter writer;
  declare(writer, value);
  return writer.text();
}

} // namespace komori::config
