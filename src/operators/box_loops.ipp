// Included by box_loops.cpp once for each kind of machine.

using Four = double __attribute__((vector_size(32)));
using Two = double __attribute__((vector_size(16)));

// Of any address that holds numbers.
using LooseFour = double __attribute__((vector_size(32), aligned(8), may_alias));
using LooseTwo = double __attribute__((vector_size(16), aligned(8), may_alias));

[[gnu::always_inline]] inline void load(const double* from, Four& to) {
  to = *reinterpret_cast<const LooseFour*>(from);
}
[[gnu::always_inline]] inline void store(const Four& from, double* to) {
  *reinterpret_cast<LooseFour*>(to) = from;
}

/// to[4][4] = the transposed of rows[4][4], each with its own distance of rows.
[[gnu::always_inline]] inline void transpose(const double* const* rows, std::size_t first,
                                             double* to, std::size_t step) {
  Four p;
  Four q;
  Four r;
  Four s;
  load(rows[0] + first, p);
  load(rows[1] + first, q);
  load(rows[2] + first, r);
  load(rows[3] + first, s);
  const Four a = __builtin_shufflevector(p, q, 0, 4, 2, 6);
  const Four b = __builtin_shufflevector(p, q, 1, 5, 3, 7);
  const Four c = __builtin_shufflevector(r, s, 0, 4, 2, 6);
  const Four d = __builtin_shufflevector(r, s, 1, 5, 3, 7);
  store(__builtin_shufflevector(a, c, 0, 1, 4, 5), to);
  store(__builtin_shufflevector(b, d, 0, 1, 4, 5), to + step);
  store(__builtin_shufflevector(a, c, 2, 3, 6, 7), to + 2 * step);
  store(__builtin_shufflevector(b, d, 2, 3, 6, 7), to + 3 * step);
}

/// Values of `lines_at_once` lines, in registers.
struct Group {
  static constexpr std::size_t fours = lines_at_once / 4;
  Four four[fours] = {};

  [[gnu::always_inline]] void add(double share, const double* values) {
    for (std::size_t g = 0; g < fours; ++g) {
      Four value;
      load(values + 4 * g, value);
      four[g] += share * value;
    }
  }
  [[gnu::always_inline]] void put(double* to) const {
    for (std::size_t g = 0; g < fours; ++g) store(four[g], to + 4 * g);
  }
  [[gnu::always_inline]] void put_past_caches(double* to) const {
#if defined(__AVX__) && !defined(__clang__)
    for (std::size_t g = 0; g < fours; ++g) _mm256_stream_pd(to + 4 * g, four[g]);
#elif defined(__SSE2__)
    for (std::size_t g = 0; g < fours; ++g) {
      _mm_stream_pd(to + 4 * g, _mm_set_pd(four[g][1], four[g][0]));
      _mm_stream_pd(to + 4 * g + 2, _mm_set_pd(four[g][3], four[g][2]));
    }
#else
    put(to);
#endif
  }
  /// to += share * these
  [[gnu::always_inline]] void add_to(double share, double* to) const {
    for (std::size_t g = 0; g < fours; ++g) {
      Four sum;
      load(to + 4 * g, sum);
      sum += share * four[g];
      store(sum, to + 4 * g);
    }
  }
};

/// `lines_at_once` lines next to each other.
template <bool stream>
inline void average_group(const BoxLines& a, const double* values, double* at_nodes) {
  Group mean;
  for (std::size_t i = 0; i < a.cells; ++i) {
    if (a.first[i] != 0) mean.add(a.first[i], values + i * a.cell_step);
  }
  for (std::size_t j = 0;; ++j) {
    double* const to = at_nodes + j * a.node_step;
    if constexpr (stream) {
      mean.put_past_caches(to);
    } else {
      mean.put(to);
    }
    if (j + 1 == a.nodes) return;
    const BoxMove& move = a.moves[j];
    mean.add(move.up, values + move.high * a.cell_step);
    mean.add(-move.down, values + move.low * a.cell_step);
  }
}

inline void spread_group(const BoxLines& a, const double* at_nodes, double* values) {
  Group zero;
  for (std::size_t i = 0; i < a.cells; ++i) zero.put(values + i * a.cell_step);
  Group sum;
  for (std::size_t j = a.nodes; --j > 0;) {
    sum.add(1, at_nodes + j * a.node_step);
    const BoxMove& move = a.moves[j - 1];
    sum.add_to(move.up, values + move.high * a.cell_step);
    sum.add_to(-move.down, values + move.low * a.cell_step);
  }
  sum.add(1, at_nodes);
  for (std::size_t i = 0; i < a.cells; ++i) {
    if (a.first[i] != 0) sum.add_to(a.first[i], values + i * a.cell_step);
  }
}

/// Up to `lines_at_once` lines along the last axis become lines next to each other, and back. Where
/// there are fewer, the last one stands for those that are not there.
inline void turn(const double* rows, std::size_t side, std::size_t lines, std::size_t size,
                 double* to) {
  constexpr std::size_t n = lines_at_once;
  const double* row[n];
  for (std::size_t l = 0; l < n; ++l) row[l] = rows + (l < lines ? l : lines - 1) * side;
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    for (std::size_t g = 0; g < n; g += 4) {
      transpose(row + g, i, to + i * n + g, n);
    }
  }
  for (; i < size; ++i) {
    for (std::size_t l = 0; l < n; ++l) to[i * n + l] = row[l][i];
  }
}
inline void turn_back(const double* from, std::size_t size, double* rows, std::size_t side,
                      std::size_t lines) {
  constexpr std::size_t n = lines_at_once;
  std::size_t i = 0;
  for (; i + 4 <= size && lines == n; i += 4) {
    for (std::size_t g = 0; g < n; g += 4) {
      const double* const four[4] = {from + i * n, from + (i + 1) * n, from + (i + 2) * n,
                                     from + (i + 3) * n};
      transpose(four, g, rows + g * side + i, side);
    }
  }
  for (; i < size; ++i) {
    for (std::size_t l = 0; l < lines; ++l) rows[l * side + i] = from[i * n + l];
  }
}

inline void average_rows(const BoxLines& a, const double* values, double* at_nodes) {
  constexpr std::size_t n = lines_at_once;
  turn(values, a.cell_side, a.lines, a.cells, a.work);
  double* const four = a.work + a.cells * n; // nodes
  Group mean;
  for (std::size_t i = 0; i < a.cells; ++i) {
    if (a.first[i] != 0) mean.add(a.first[i], a.work + i * n);
  }
  for (std::size_t j = 0;; ++j) {
    mean.put(four + j % 4 * n);
    const bool last = j + 1 == a.nodes;
    if (j % 4 == 3 || last) {
      turn_back(four, j % 4 + 1, at_nodes + j / 4 * 4, a.node_side, a.lines);
    }
    if (last) return;
    const BoxMove& move = a.moves[j];
    mean.add(move.up, a.work + move.high * n);
    mean.add(-move.down, a.work + move.low * n);
  }
}

inline void spread_rows(const BoxLines& a, const double* at_nodes, double* values) {
  constexpr std::size_t n = lines_at_once;
  for (std::size_t i = 0; i < a.cells * n; ++i) a.work[i] = 0;
  double* const four = a.work + a.cells * n; // nodes
  Group sum;
  for (std::size_t j = a.nodes; j-- > 0;) {
    if (j % 4 == 3 || j + 1 == a.nodes) {
      turn(at_nodes + j / 4 * 4, a.node_side, a.lines, j % 4 + 1, four);
    }
    sum.add(1, four + j % 4 * n);
    if (j == 0) break;
    const BoxMove& move = a.moves[j - 1];
    sum.add_to(move.up, a.work + move.high * n);
    sum.add_to(-move.down, a.work + move.low * n);
  }
  for (std::size_t i = 0; i < a.cells; ++i) {
    if (a.first[i] != 0) sum.add_to(a.first[i], a.work + i * n);
  }
  turn_back(a.work, a.cells, values, a.cell_side, a.lines);
}

/// Fewer lines than vectors are made for, one by one.
inline void average_few(const BoxLines& a, const double* values, double* at_nodes) {
  for (std::size_t l = 0; l < a.lines; ++l) {
    const double* const from = values + l * a.cell_side;
    double* const to = at_nodes + l * a.node_side;
    double mean = 0;
    for (std::size_t i = 0; i < a.cells; ++i) mean += a.first[i] * from[i * a.cell_step];
    to[0] = mean;
    for (std::size_t j = 1; j < a.nodes; ++j) {
      const BoxMove& move = a.moves[j - 1];
      mean += move.up * from[move.high * a.cell_step];
      mean -= move.down * from[move.low * a.cell_step];
      to[j * a.node_step] = mean;
    }
  }
}
inline void spread_few(const BoxLines& a, const double* at_nodes, double* values) {
  for (std::size_t l = 0; l < a.lines; ++l) {
    const double* const from = at_nodes + l * a.node_side;
    double* const to = values + l * a.cell_side;
    for (std::size_t i = 0; i < a.cells; ++i) to[i * a.cell_step] = 0;
    double sum = 0;
    for (std::size_t j = a.nodes; --j > 0;) {
      const BoxMove& move = a.moves[j - 1];
      sum += from[j * a.node_step];
      to[move.high * a.cell_step] += move.up * sum;
      to[move.low * a.cell_step] -= move.down * sum;
    }
    sum += from[0];
    for (std::size_t i = 0; i < a.cells; ++i) to[i * a.cell_step] += a.first[i] * sum;
  }
}

/// Two neighbours in the table for one point, and two for another.
[[gnu::always_inline]] inline void load_pairs(const double* one, const double* other, Four& to) {
  const Two a = *reinterpret_cast<const LooseTwo*>(one);
  const Two b = *reinterpret_cast<const LooseTwo*>(other);
  to = __builtin_shufflevector(a, b, 0, 1, 2, 3);
}

/// Of two points: values at two neighbours along the last axis, interpolated along the others.
template <int K, int axis> struct Pairs {
  [[gnu::always_inline]] static void interpolate(const double* one, const double* other,
                                                 const Four (&share)[K], const std::size_t* stride,
                                                 Four& to) {
    if constexpr (axis == K - 1) {
      load_pairs(one, other, to);
    } else {
      const std::size_t step = stride[axis];
      Four first;
      Four second;
      Pairs<K, axis + 1>::interpolate(one, other, share, stride, first);
      Pairs<K, axis + 1>::interpolate(one + step, other + step, share, stride, second);
      to = first + share[axis] * (second - first);
    }
  }
};

template <int K> struct Gather {
  /// Of four points, 0 and 2, or 1 and 3.
  template <int odd>
  [[gnu::always_inline]] static void two(const BoxRows& a, std::size_t i, const double* table,
                                         Four& to) {
    Four share[K];
    for (std::size_t k = 0; k + 1 < K; ++k) {
      Four four;
      load(a.share[k] + i, four);
      share[k] = __builtin_shufflevector(four, four, odd, odd, odd + 2, odd + 2);
    }
    Pairs<K, 0>::interpolate(table + a.first[i + odd], table + a.first[i + odd + 2], share,
                             a.stride.data(), to);
  }

  static void run(const BoxRows& rows, const double* table, double* const* values) {
    const BoxRows a = rows;
    for (std::size_t row = 0; row < a.rows; ++row) {
      double* const to = values[row];
      const std::size_t begin = row * a.length;
      std::size_t i = 0;
      for (; i + 4 <= a.length; i += 4) {
        Four even;
        Four odd;
        two<0>(a, begin + i, table, even);
        two<1>(a, begin + i, table, odd);
        const Four first = __builtin_shufflevector(even, odd, 0, 4, 2, 6);
        const Four second = __builtin_shufflevector(even, odd, 1, 5, 3, 7);
        Four share;
        load(a.share[K - 1] + begin + i, share);
        store(first + share * (second - first), to + i);
      }
      for (; i < a.length; ++i) to[i] = one<0>(a, begin + i, table + a.first[begin + i]);
    }
  }

  template <int axis>
  [[gnu::always_inline]] static double one(const BoxRows& a, std::size_t i, const double* node) {
    if constexpr (axis == K) {
      return *node;
    } else {
      const double first = one<axis + 1>(a, i, node);
      return first + a.share[axis][i] * (one<axis + 1>(a, i, node + a.stride[axis]) - first);
    }
  }
};

template <int K> struct Scatter {
  template <int axis>
  [[gnu::always_inline]] static void add(const BoxRows& a, std::size_t i, const Two& pair,
                                         double* node) {
    if constexpr (axis == K - 1) {
      *reinterpret_cast<LooseTwo*>(node) += pair;
    } else {
      const Two second = a.share[axis][i] * pair;
      add<axis + 1>(a, i, pair - second, node);
      add<axis + 1>(a, i, second, node + a.stride[axis]);
    }
  }

  static void run(const BoxRows& rows, const double* const* values, double* table) {
    const BoxRows a = rows;
    for (std::size_t row = 0; row < a.rows; ++row) {
      const double* const from = values[row];
      for (std::size_t i = 0; i < a.length; ++i) {
        const std::size_t point = row * a.length + i;
        const double second = a.share[K - 1][point] * from[i];
        add<0>(a, point, Two{from[i] - second, second}, table + a.first[point]);
      }
    }
  }
};

template <template <int> class Loop, class From, class To>
inline void by_axes(const BoxRows& rows, From from, To to) {
  switch (rows.axes) {
  case 1:
    return Loop<1>::run(rows, from, to);
  case 2:
    return Loop<2>::run(rows, from, to);
  case 3:
    return Loop<3>::run(rows, from, to);
  default:
    return Loop<4>::run(rows, from, to);
  }
}

inline void average(const BoxLines& a, const double* values, double* at_nodes) {
  if (a.cell_step == 1 && a.node_step == 1) return average_rows(a, values, at_nodes);
  if (a.lines < lines_at_once) return average_few(a, values, at_nodes);
  for (std::size_t l = 0; l < a.lines; l += lines_at_once) {
    const std::size_t first = l + lines_at_once <= a.lines ? l : a.lines - lines_at_once;
    if (a.stream) {
      average_group<true>(a, values + first, at_nodes + first);
    } else {
      average_group<false>(a, values + first, at_nodes + first);
    }
  }
}
inline void spread(const BoxLines& a, const double* at_nodes, double* values) {
  if (a.cell_step == 1 && a.node_step == 1) return spread_rows(a, at_nodes, values);
  if (a.lines < lines_at_once) return spread_few(a, at_nodes, values);
  for (std::size_t l = 0; l < a.lines; l += lines_at_once) {
    const std::size_t first = l + lines_at_once <= a.lines ? l : a.lines - lines_at_once;
    spread_group(a, at_nodes + first, values + first);
  }
}

inline void move_plane(const double* from, const BoxMove& move, const double* high,
                       const double* low, std::size_t size, double* to) {
  const double up = move.up;
  const double down = move.down;
  for (std::size_t i = 0; i < size; ++i) to[i] = (from[i] + up * high[i]) - down * low[i];
}
inline void move_back(const double* values, const BoxMove& move, std::size_t size, double* sum,
                      double* high, double* low) {
  const double up = move.up;
  const double down = move.down;
  for (std::size_t i = 0; i < size; ++i) {
    sum[i] += values[i];
    high[i] += up * sum[i];
    low[i] -= down * sum[i];
  }
}
inline void add_share(double share, const double* values, std::size_t size, double* to) {
  for (std::size_t i = 0; i < size; ++i) to[i] += share * values[i];
}
