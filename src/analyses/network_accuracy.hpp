/// Networks as classifiers of rows with labels: the class of a row is its largest output.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analyses/network_dictionary.hpp"
#include "io/result_file.hpp"
#include "models/network.hpp"
#include "operators/network_data.hpp"

namespace komori::analyses {

/// Shares of rows that are classified rightly; nan where there are no such rows.
struct Accuracy {
  double all = 0;
  double fitted = 0;   ///< of the rows that paths start from
  double held_out = 0; ///< of those kept for measuring
};

/// `outputs(first, points, values)` fills [count][classes] for the points [count][inputs] of rows
/// first, first + 1, ... The data must have labels. Collective.
Accuracy accuracy_of(const operators::NetworkData& data, std::size_t classes,
                     const std::function<void(std::int64_t first, std::span<const double> points,
                                              std::span<double> values)>& outputs);
/// Of a network without noise. Collective.
Accuracy accuracy_of(const operators::NetworkData& data, const models::Network& network);
/// Of functions of the inputs, one per class, on dictionaries. Collective.
Accuracy accuracy_of(const LayerDictionaryProblem& problem,
                     const std::vector<base::UniqueVec>& functions);

/// Columns of a table: its header, and the entries of a row.
void add_accuracy_names(std::vector<std::string>& header);
void add_accuracy(const Accuracy& accuracy, std::vector<std::string>& row);
/// As rows [all, fitted, held out] of a dataset. Collective.
void write_accuracies(const std::vector<Accuracy>& accuracies, const std::string& name,
                      io::ResultFile& file);

} // namespace komori::analyses
