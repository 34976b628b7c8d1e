#include "operators/layer_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/layer_matrix.hpp"

namespace komori::operators {

using base::check;
using base::UniqueVec;

UniqueVec LayerChain::compose(int n, Vec u) const {
  UniqueVec v = base::duplicate(weight(n));
  apply_composition(steps[static_cast<std::size_t>(n)].get(), u, v.get());
  return v;
}

UniqueVec LayerChain::transfer(int n, Vec p) const {
  UniqueVec q = base::duplicate(weight(n + 1));
  apply_transfer(steps[static_cast<std::size_t>(n)].get(), weight(n), weight(n + 1), p, q.get());
  return q;
}

double LayerChain::dot(int n, Vec u, Vec v) const {
  const UniqueVec weighted = base::duplicate(weight(n));
  check(VecPointwiseMult(weighted.get(), weight(n), u));
  return base::dot(weighted.get(), v);
}

double LayerChain::norm(int n, Vec u) const {
  return std::sqrt(std::max(0.0, dot(n, u, u)));
}

double LayerChain::duality_gap(int n, Vec p, Vec u) const {
  const UniqueVec back = compose(n, u);
  const UniqueVec on = transfer(n, p);
  const double scale = norm(n, p) * norm(n + 1, u);
  const double gap = std::abs(dot(n, p, back.get()) - dot(n + 1, on.get(), u));
  return scale > 0 ? gap / scale : gap;
}

void memory_terms(const LayerChain& chain, Direction direction,
                  const std::vector<std::unique_ptr<LayerProjection>>& projections, Vec start,
                  const std::function<void(const MemoryTerms&)>& visit) {
  const int depth = chain.depth();
  const bool backward = direction == Direction::backward;
  const auto step = [&](int n, Vec v) {
    return backward ? chain.compose(n, v) : chain.transfer(n, v);
  };
  const auto projected = [&](int layer, Vec v) {
    return projections[static_cast<std::size_t>(layer)]->apply(v);
  };
  const auto unresolved = [&](int layer, Vec v) {
    UniqueVec q = projected(layer, v);
    check(VecAYPX(q.get(), -1, v));
    return q;
  };
  // What each earlier layer has sent into the unresolved functions, newest first.
  std::vector<UniqueVec> carried;
  int layer = backward ? depth : 0;
  UniqueVec g = base::duplicate(start);
  check(VecCopy(start, g.get()));
  UniqueVec resolved = projected(layer, g.get());
  UniqueVec noise = unresolved(layer, g.get());
  for (int k = 0; k < depth; ++k) {
    const int n = backward ? depth - 1 - k : k;
    const int next = backward ? n : n + 1;
    MemoryTerms terms;
    terms.layer = next;
    UniqueVec streamed = step(n, resolved.get());
    UniqueVec fresh = unresolved(next, streamed.get());
    terms.functions.push_back(projected(next, streamed.get()));
    const UniqueVec moved_noise = step(n, noise.get());
    terms.functions.push_back(projected(next, moved_noise.get()));
    noise = unresolved(next, moved_noise.get());
    for (UniqueVec& sent : carried) {
      const UniqueVec moved = step(n, sent.get());
      terms.functions.push_back(projected(next, moved.get()));
      sent = unresolved(next, moved.get());
    }
    carried.insert(carried.begin(), std::move(fresh));
    g = step(n, g.get());
    resolved = projected(next, g.get());
    terms.resolved = chain.norm(next, resolved.get());
    terms.streaming = chain.norm(next, terms.functions[0].get());
    terms.noise = chain.norm(next, terms.functions[1].get());
    UniqueVec rest = base::duplicate(resolved.get());
    check(VecCopy(resolved.get(), rest.get()));
    for (std::size_t t = 0; t < terms.functions.size(); ++t) {
      check(VecAXPY(rest.get(), -1, terms.functions[t].get()));
      if (t >= 2) terms.memory.push_back(chain.norm(next, terms.functions[t].get()));
    }
    const double scale = chain.norm(next, g.get());
    terms.identity = chain.norm(next, rest.get()) / (scale > 0 ? scale : 1);
    visit(terms);
  }
}

} // namespace komori::operators
