/// Operators of layers whose matrices are saved while they are made.
#pragma once

#include <memory>
#include <string>

#include "base/session.hpp"
#include "io/checkpoints.hpp"
#include "operators/layer_matrix.hpp"

namespace komori::analyses {

/// `operators::assemble_layer` with the rows that an earlier run has done, and with those of this
/// one in `checkpoints`, under `name`. Throws as that does. Collective.
operators::LayerMatrix saved_layer(base::Session& session, io::Checkpoints& checkpoints,
                                   const std::string& name, const models::NetworkLayer& layer,
                                   const std::shared_ptr<const operators::LayerSpace>& from,
                                   const std::shared_ptr<const operators::LayerSpace>& to,
                                   operators::Integrand integrand);

} // namespace komori::analyses
