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

constexpr std::size_t numbers_in_line = 8; ///< of the caches

/// Asks for the values of `lines_at_once` lines.
[[gnu::always_inline]] inline void ask_for_lines(const double* values) {
  for (std::size_t l = 0; l < lines_at_once; l += numbers_in_line) __builtin_prefetch(values + l);
  __builtin_prefetch(values + lines_at_once - 1);
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
inline void average_group(BoxLines a, const double* values, double* at_nodes) {
  Group mean;
  for (std::size_t i = 0; i < a.cells; ++i) {
    const double* const value = values + (a.first_cell + i) * a.cell_step;
    if (a.ahead != 0) ask_for_lines(value + a.ahead);
    if (a.first[i] != 0) mean.add(a.first[i], value);
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
    const double* const high = values + move.high * a.cell_step;
    if (a.ahead != 0) ask_for_lines(high + a.ahead);
    mean.add(move.up, high);
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

/// What a cell is given: its parts of such sums, of which those at the first node make up for all
/// terms before.
[[gnu::always_inline]] inline Group given(const BoxLines& a, std::size_t cell, const double* sums) {
  Group all;
  if (a.first[cell] != 0) all.add(a.first[cell], sums);
  for (std::size_t t = a.begins[cell]; t < a.begins[cell + 1]; ++t) {
    const std::size_t node = a.terms[t].node - a.first_node;
    if (node - 1 < a.nodes - 1) all.add(a.terms[t].share, sums + node * lines_at_once);
  }
  return all;
}

inline void spread_group(BoxLines a, const double* at_nodes, double* values) {
  sum_from_the_last(a, at_nodes, a.node_step, a.work);
  for (std::size_t i = 0; i < a.cells; ++i) {
    double* const to = values + (a.first_cell + i) * a.cell_step;
    if (a.ahead != 0) ask_for_lines(to + a.ahead);
    Group all = given(a, i, a.work);
    if (a.add) all.add(1, to);
    all.put(to);
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
    for (std::size_t l = i / 4 % 2; l < n; l += 2) __builtin_prefetch(row[l] + n * side + i);
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

inline void average_rows(BoxLines a, const double* values, double* at_nodes) {
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

inline void spread_rows(BoxLines a, const double* at_nodes, double* values) {
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
    for (std::size_t i = 0; i < a.cells; ++i) {
      mean += a.first[i] * from[(a.first_cell + i) * a.cell_step];
    }
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
    for (std::size_t i = 0; !a.add && i < a.cells; ++i) to[(a.first_cell + i) * a.cell_step] = 0;
    double sum = 0;
    for (std::size_t j = a.nodes; --j > 0;) {
      const BoxMove& move = a.moves[j - 1];
      sum += from[j * a.node_step];
      to[move.high * a.cell_step] += move.up * sum;
      to[move.low * a.cell_step] -= move.down * sum;
    }
    sum += from[0];
    for (std::size_t i = 0; i < a.cells; ++i) {
      to[(a.first_cell + i) * a.cell_step] += a.first[i] * sum;
    }
  }
}

/// Values of runs lie far from each other.
template <int to_write> // 0 or 1
[[gnu::always_inline]] inline void ask_for_run(const BoxRun& run, const double* values) {
  const double* const its = values + run.begin;
  for (std::size_t i = 0; i < run.count; i += numbers_in_line)
    __builtin_prefetch(its + i, to_write);
  __builtin_prefetch(its + run.count - 1, to_write);
}

template <int K> struct Gather {
  /// Values at two neighbours along the last axis, interpolated along the others.
  template <int axis>
  [[gnu::always_inline]] static Two pair(const BoxPlaces& a, std::size_t i, const double* node) {
    if constexpr (axis == K - 1) {
      return *reinterpret_cast<const LooseTwo*>(node);
    } else {
      const Two first = pair<axis + 1>(a, i, node);
      const Two second = pair<axis + 1>(a, i, node + a.stride[axis]);
      return first + a.share[axis][i] * (second - first);
    }
  }

  [[gnu::always_inline]] static void two(const BoxPlaces& a, std::size_t i, const double* table,
                                         double* to) {
    const Two one = pair<0>(a, i, table + a.node[i]);
    const Two other = pair<0>(a, i + 1, table + a.node[i + 1]);
    const Two first = __builtin_shufflevector(one, other, 0, 2);
    const Two second = __builtin_shufflevector(one, other, 1, 3);
    const Two share = *reinterpret_cast<const LooseTwo*>(a.share[K - 1] + i);
    *reinterpret_cast<LooseTwo*>(to) = first + share * (second - first);
  }

  static void run(const BoxPlaces& points, const double* table, double* values) {
    const BoxPlaces a = points;
    std::size_t first = 0;
    for (const BoxRun* run = a.runs; run != a.runs + a.count; ++run) {
      double* const to = values + run->begin;
      ask_for_run<1>(run[runs_ahead], values);
      const std::size_t end = first + run->count;
      std::size_t i = first;
      for (; i + 2 <= end; i += 2) two(a, i, table, to + (i - first));
      if (i < end) {
        const Two its = pair<0>(a, i, table + a.node[i]);
        to[i - first] = its[0] + a.share[K - 1][i] * (its[1] - its[0]);
      }
      first = end;
    }
  }
};

template <int K> struct Scatter {
  template <int axis>
  [[gnu::always_inline]] static void add(const BoxPlaces& a, std::size_t i, const Two& pair,
                                         double* node) {
    if constexpr (axis == K - 1) {
      *reinterpret_cast<LooseTwo*>(node) += pair;
    } else {
      const Two second = a.share[axis][i] * pair;
      add<axis + 1>(a, i, pair - second, node);
      add<axis + 1>(a, i, second, node + a.stride[axis]);
    }
  }

  [[gnu::always_inline]] static void one(const BoxPlaces& a, std::size_t i, double value,
                                         double* table) {
    const double second = a.share[K - 1][i] * value;
    add<0>(a, i, Two{value - second, second}, table + a.node[i]);
  }

  /// Neighbours add to places that overlap, and would wait for each other: points that are far
  /// apart take turns.
  static void run(const BoxPlaces& points, const double* values, double* table) {
    const BoxPlaces a = points;
    double taken[points_per_run];
    const BoxRun* run = a.runs;
    for (std::size_t first = 0; run != a.runs + a.count;) {
      std::size_t count = 0;
      for (; run != a.runs + a.count && count + run->count <= points_per_run; ++run) {
        ask_for_run<0>(run[runs_ahead], values);
        copy(values + run->begin, run->count, taken + count);
        count += run->count;
      }
      constexpr std::size_t turns = 4;
      const std::size_t apart = count / turns;
      for (std::size_t i = 0; i < apart; ++i) {
        for (std::size_t turn = 0; turn < turns; ++turn) {
          const std::size_t its = i + turn * apart;
          one(a, first + its, taken[its], table);
        }
      }
      for (std::size_t i = turns * apart; i < count; ++i) one(a, first + i, taken[i], table);
      first += count;
    }
  }

  /// A few numbers, too few to call a function for.
  [[gnu::always_inline]] static void copy(const double* from, std::size_t count, double* to) {
    Four four;
    for (std::size_t i = 0; i + 4 < count; i += 4) {
      load(from + i, four);
      store(four, to + i);
    }
    if (count >= 4) {
      load(from + count - 4, four);
      store(four, to + count - 4);
    }
    for (std::size_t i = 0; count < 4 && i < count; ++i) to[i] = from[i];
  }
};

template <template <int> class Loop, class From, class To>
inline void by_axes(const BoxPlaces& points, From from, To to) {
  switch (points.axes) {
  case 1:
    return Loop<1>::run(points, from, to);
  case 2:
    return Loop<2>::run(points, from, to);
  case 3:
    return Loop<3>::run(points, from, to);
  default:
    return Loop<4>::run(points, from, to);
  }
}

inline void average(const BoxLines& a, const double* values, double* at_nodes) {
  const bool along_the_last = a.cell_step == 1 && a.node_step == 1 && a.lines > 1;
  if (along_the_last) return average_rows(a, values, at_nodes);
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
  const bool along_the_last = a.cell_step == 1 && a.node_step == 1 && a.lines > 1;
  if (along_the_last) return spread_rows(a, at_nodes, values);
  const std::size_t whole = a.lines / lines_at_once * lines_at_once;
  for (std::size_t l = 0; l < whole; l += lines_at_once) spread_group(a, at_nodes + l, values + l);
  if (whole == a.lines) return;
  const std::size_t overlapping = a.lines - lines_at_once;
  if (whole > 0 && !a.add) return spread_group(a, at_nodes + overlapping, values + overlapping);
  BoxLines rest = a;
  rest.lines = a.lines - whole;
  spread_few(rest, at_nodes + whole * a.node_side, values + whole * a.cell_side);
}
