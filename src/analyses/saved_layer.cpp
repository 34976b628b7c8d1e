#include "analyses/saved_layer.hpp"

#include "analyses/saved_assembly.hpp"
#include "operators/ulam_done.hpp"

namespace komori::analyses {

operators::LayerMatrix saved_layer(base::Session& session, io::Checkpoints& checkpoints,
                                   const std::string& name, const models::NetworkLayer& layer,
                                   const std::shared_ptr<const operators::LayerSpace>& from,
                                   const std::shared_ptr<const operators::LayerSpace>& to,
                                   operators::Integrand integrand) {
  SavedAssembly saved(session, checkpoints, name);
  operators::LayerMatrix made =
      operators::assemble_layer(layer, *from, *to, integrand, saved.continuation());
  // Saves may come when whoever asked for the matrix is through with it.
  const auto matrix = std::make_shared<base::UniqueMat>(base::UniqueMat::share(made.matrix.get()));
  saved.finish(from->grid().cells(), made.nonzeros, [matrix, from, to] {
    return operators::rows_of(matrix->get(), {from->grid(), to->grid()}, {});
  });
  return made;
}

} // namespace komori::analyses
