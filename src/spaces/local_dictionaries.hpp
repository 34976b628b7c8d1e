/// Dictionaries of functions that live near a place, and of formulas.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/formula.hpp"
#include "spaces/dictionary.hpp"

namespace komori::spaces {

/// exp(-|x - c|^2 / (2 w^2)) around given centres, and the constant 1 in front of them if asked.
class RadialDictionary final : public Dictionary {
public:
  /// `centers`: rows of coordinates.
  RadialDictionary(Draw centers, double width, bool constant);
  std::size_t size() const override { return centers_.size() + (constant_ ? 1 : 0); }
  void evaluate(const Points& points, const Derivative& order,
                std::span<double> values) const override;
  bool differentiable() const override { return true; }
  std::string name(std::size_t j) const override;

private:
  Draw centers_;
  double width_;
  bool constant_;
};

/// 1 within a cell of a box cut into equal cells, 0 elsewhere; the last axis goes fastest. Both
/// ends of the box belong to it, unless an axis is periodic.
class IndicatorDictionary final : public Dictionary {
public:
  IndicatorDictionary(std::vector<Extent> box, std::vector<std::size_t> cells);
  std::size_t size() const override;
  void evaluate(const Points& points, const Derivative& order,
                std::span<double> values) const override;
  bool differentiable() const override { return false; }
  std::string name(std::size_t j) const override;

private:
  std::vector<Extent> box_;
  std::vector<std::size_t> cells_;
};

/// Functions written by the user.
class FormulaDictionary final : public Dictionary {
public:
  FormulaDictionary(const std::vector<config::FormulaText>& texts, const Names& names);
  std::size_t size() const override { return formulas_.size(); }
  void evaluate(const Points& points, const Derivative& order,
                std::span<double> values) const override;
  bool differentiable() const override { return false; }
  std::string name(std::size_t j) const override { return formulas_[j].text(); }

private:
  std::vector<config::Formula> formulas_;
};

/// The functions of one dictionary, then those of another.
class JoinedDictionary final : public Dictionary {
public:
  JoinedDictionary(std::unique_ptr<Dictionary> first, std::unique_ptr<Dictionary> second)
      : first_(std::move(first)), second_(std::move(second)) {}
  std::size_t size() const override { return first_->size() + second_->size(); }
  void evaluate(const Points& points, const Derivative& order,
                std::span<double> values) const override;
  bool differentiable() const override {
    return first_->differentiable() && second_->differentiable();
  }
  std::string name(std::size_t j) const override;
  /// The smaller first one with all of the second.
  std::vector<std::size_t> smaller() const override;

private:
  std::unique_ptr<Dictionary> first_;
  std::unique_ptr<Dictionary> second_;
};

} // namespace komori::spaces
