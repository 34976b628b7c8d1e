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

/// Two numbers from one place, and two from another.
[[gnu::always_inline]] inline void load_pairs(const double* one, const double* other, Four& to) {
  const Two a = *reinterpret_cast<const LooseTwo*>(one);
  const Two b = *reinterpret_cast<const LooseTwo*>(other);
  to = __builtin_shufflevector(a, b, 0, 1, 2, 3);
}

/// to[4][4] = the transposed of rows[4][4], each with its own distance of rows. Halves of vectors
/// change places in memory, not in registers.
[[gnu::always_inline]] inline void transpose(const double* const* rows, std::size_t first,
                                             double* to, std::size_t step) {
  for (std::size_t half = 0; half < 4; half += 2) {
    Four p;
    Four q;
    load_pairs(rows[0] + first + half, rows[2] + first + half, p);
    load_pairs(rows[1] + first + half, rows[3] + first + half, q);
    store(__builtin_shufflevector(p, q, 0, 4, 2, 6), to + half * step);
    store(__builtin_shufflevector(p, q, 1, 5, 3, 7), to + (half + 1) * step);
  }
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

/// sums[nodes][lines_at_once]: of the values at each node and all after it.
inline void sum_from_the_last(const BoxLines& a, const double* at_nodes, std::size_t step,
                              double* sums) {
  Group sum;
  for (std::size_t j = a.nodes; j-- > 0;) {
    sum.add(1, at_nodes + j * step);
    sum.put(sums + j * lines_at_once);
  }
}

/// What a cell is given: its parts of such sums.
[[gnu::always_inline]] inline Group given(const BoxLines& a, std::size_t cell, const double* sums) {
  Group all;
  if (a.first[cell] != 0) all.add(a.first[cell], sums);
  for (std::size_t t = a.begins[cell]; t < a.begins[cell + 1]; ++t) {
    all.add(a.terms[t].share, sums + a.terms[t].node * lines_at_once);
  }
  return all;
}

inline void spread_group(const BoxLines& a, const double* at_nodes, double* values) {
  sum_from_the_last(a, at_nodes, a.node_step, a.work);
  for (std::size_t i = 0; i < a.cells; ++i) given(a, i, a.work).put(values + i * a.cell_step);
}

/// `count` columns of a table, and zeros beside them, as lines next to each other; and back.
inline void take_columns(const double* table, std::size_t step, std::size_t rows, std::size_t count,
                         double* to) {
  constexpr std::size_t n = lines_at_once;
  constexpr std::size_t ahead = 4 * n;
  for (std::size_t i = 0; i < rows; ++i) {
    const double* const row = table + i * step;
    if (count == n) {
      __builtin_prefetch(row + ahead, 1);
      __builtin_prefetch(row + ahead + n / 2, 1);
      Group group;
      group.add(1, row);
      group.put(to + i * n);
    } else {
      for (std::size_t l = 0; l < n; ++l) to[i * n + l] = l < count ? row[l] : 0;
    }
  }
}
inline void put_columns(const double* from, std::size_t rows, std::size_t count, double* table,
                        std::size_t step) {
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t l = 0; l < count; ++l) table[i * step + l] = from[i * lines_at_once + l];
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
  turn(at_nodes, a.node_side, a.lines, a.nodes, a.work);
  sum_from_the_last(a, a.work, n, a.work);
  double* const four = a.work + a.nodes * n; // cells
  for (std::size_t i = 0; i < a.cells; ++i) {
    given(a, i, a.work).put(four + i % 4 * n);
    if (i % 4 == 3 || i + 1 == a.cells) {
      turn_back(four, i % 4 + 1, values + i / 4 * 4, a.cell_side, a.lines);
    }
  }
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

/// Where values at nodes take the place of those of cells, and the other way round.
inline void average_in_place(const BoxLines& a, double* table) {
  constexpr std::size_t n = lines_at_once;
  if (a.lines < n) {
    std::copy_n(table, a.cells * a.lines, a.work);
    return average_few(a, a.work, table);
  }
  BoxLines group = a;
  group.cell_step = n;
  double* const few = a.work + a.cells * n;
  for (std::size_t l = 0; l < a.lines; l += n) {
    const std::size_t count = l + n <= a.lines ? n : a.lines - l;
    take_columns(table + l, a.cell_step, a.cells, count, a.work);
    group.node_step = count == n ? a.node_step : n;
    average_group<false>(group, a.work, count == n ? table + l : few);
    if (count < n) put_columns(few, a.nodes, count, table + l, a.node_step);
  }
}
inline void spread_in_place(const BoxLines& a, double* table) {
  constexpr std::size_t n = lines_at_once;
  if (a.lines < n) {
    std::copy_n(table, a.nodes * a.lines, a.work);
    return spread_few(a, a.work, table);
  }
  BoxLines group = a;
  group.node_step = n;
  double* const few = a.work + a.nodes * n;
  for (std::size_t l = 0; l < a.lines; l += n) {
    const std::size_t count = l + n <= a.lines ? n : a.lines - l;
    take_columns(table + l, a.node_step, a.nodes, count, a.work);
    group.cell_step = count == n ? a.cell_step : n;
    spread_group(group, a.work, count == n ? table + l : few);
    if (count < n) put_columns(few, a.cells, count, table + l, a.cell_step);
  }
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

/// Asks for what a later point is interpolated from.
template <int K> [[gnu::always_inline]] inline void prefetch(const BoxRows& a, std::size_t point, const double* table) {
  const double* const node = table + a.first[point];
  for (std::size_t corner = 0; corner < std::size_t{1} << (K - 1); ++corner) {
    std::size_t place = 0;
    for (std::size_t k = 0; k + 1 < K; ++k) place += (corner >> k & 1) != 0 ? a.stride[k] : 0;
    __builtin_prefetch(node + place);
  }
}

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
        prefetch<K>(a, begin + i + points_ahead, table);
        prefetch<K>(a, begin + i + points_ahead + 2, table);
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

  [[gnu::always_inline]] static void one(const BoxRows& a, std::size_t point, double value,
                                         double* table) {
    const double second = a.share[K - 1][point] * value;
    add<0>(a, point, Two{value - second, second}, table + a.first[point]);
  }

  /// Neighbours in a row add to places that overlap, and would wait for each other: rows take
  /// turns that are far apart.
  static void run(const BoxRows& rows, const double* const* values, double* table) {
    const BoxRows a = rows;
    constexpr std::size_t turns = 4;
    const std::size_t apart = a.rows / turns;
    for (std::size_t row = 0; row < apart; ++row) {
      for (std::size_t i = 0; i < a.length; ++i) {
        for (std::size_t turn = 0; turn < turns; ++turn) {
          const std::size_t its = row + turn * apart;
          one(a, its * a.length + i, values[its][i], table);
        }
      }
    }
    for (std::size_t row = turns * apart; row < a.rows; ++row) {
      for (std::size_t i = 0; i < a.length; ++i) one(a, row * a.length + i, values[row][i], table);
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
