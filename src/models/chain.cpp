#include "models/chain.hpp"

#include <fmt/format.h>

namespace komori::models {

void declare_keys(config::Declarer& declarer, ChainInput& input) {
  declarer.real_rows("matrix", input.matrix,
                     {.help = "chain: rows (from) of columns (to). Rows that sum to 1 are "
                              "transition probabilities of one step, rows that sum to 0 rates.",
                      .unit = "1 or 1/time"});
  declarer.text(
      "file", input.file,
      {.help = "chain: in place of 'matrix', a Matrix Market, HDF5 or PETSc binary file."});
  declarer.text("dataset", input.dataset,
                {.help = "chain: of an HDF5 file, the dataset [from, to], or the group with the "
                         "datasets indptr, indices and data of compressed sparse rows."});
  declarer.real("lag", input.lag,
                {.help = "Time that one step takes, for transition probabilities.", .unit = "time"},
                config::Range::positive());
  if (!declarer.reading()) return;
  if (input.matrix.empty() == input.file.empty()) {
    declarer.reject("", "of kind 'chain' needs one of 'matrix' and 'file'; add e.g. 'matrix: "
                        "[[0.9, 0.1], [0.2, 0.8]]'");
  }
  input.origin = declarer.origin(input.file.empty() ? "matrix" : "file");
  if (!input.matrix.empty() && input.matrix.size() != input.matrix.front().size()) {
    declarer.reject("matrix", fmt::format("has {} rows of {} numbers, but must be square",
                                          input.matrix.size(), input.matrix.front().size()));
  }
}

} // namespace komori::models
