#include "io/fingerprint.hpp"

#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using Counts = std::vector<hsize_t>;

std::vector<double> sample() {
  std::vector<double> values(24);
  std::iota(values.begin(), values.end(), 0.25);
  return values;
}

/// Entries of a [2, 3, 4] array in a block of it.
std::vector<double> block_of(const std::vector<double>& array, const Counts& start,
                             const Counts& count) {
  std::vector<double> block;
  for (hsize_t i = start[0]; i < start[0] + count[0]; ++i) {
    for (hsize_t j = start[1]; j < start[1] + count[1]; ++j) {
      for (hsize_t k = start[2]; k < start[2] + count[2]; ++k) {
        block.push_back(array[(i * 3 + j) * 4 + k]);
      }
    }
  }
  return block;
}

TEST(Fingerprint, IsTheSumOverAnyCut) {
  const std::vector<double> array = sample();
  const Counts shape{2, 3, 4};
  const std::uint64_t whole = fingerprint(array, shape, {0, 0, 0}, shape);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (hsize_t cut = 0; cut <= shape[axis]; ++cut) {
      Counts start{0, 0, 0};
      Counts count = shape;
      count[axis] = cut;
      std::uint64_t sum = fingerprint(block_of(array, start, count), shape, start, count);
      start[axis] = cut;
      count[axis] = shape[axis] - cut;
      sum += fingerprint(block_of(array, start, count), shape, start, count);
      EXPECT_EQ(sum, whole) << "axis " << axis << " cut at " << cut;
    }
  }
}

TEST(Fingerprint, ChangesWithValueAndPlace) {
  const Counts shape{24};
  std::vector<double> array = sample();
  const std::uint64_t before = fingerprint(array, shape, {0}, shape);
  std::swap(array[3], array[17]);
  EXPECT_NE(fingerprint(array, shape, {0}, shape), before);
  std::swap(array[3], array[17]);
  EXPECT_EQ(fingerprint(array, shape, {0}, shape), before);
  array[5] = 0;
  const std::uint64_t zero = fingerprint(array, shape, {0}, shape);
  EXPECT_NE(zero, before);
  array[5] = -0.0;
  EXPECT_NE(fingerprint(array, shape, {0}, shape), zero);
  EXPECT_NE(fingerprint(std::vector<double>(4, 0.0), {4}, {0}, {4}), 0U);
}

TEST(Fingerprint, HoldsForSingleNumbersAndForNothing) {
  const std::vector<double> one{2.5};
  EXPECT_EQ(fingerprint(one, {}, {}, {}), fingerprint(one, {1}, {0}, {1}));
  EXPECT_EQ(fingerprint({}, {}, {}, {}), 0U);
  EXPECT_EQ(fingerprint({}, {0, 3}, {0, 0}, {0, 3}), 0U);
}

TEST(Fingerprint, IsTheSameReadFromTheDisk) {
  const TemporaryFolder folder;
  const std::vector<double> array = sample();
  std::string bytes(24 * sizeof(double), '\0');
  std::memcpy(bytes.data(), array.data(), bytes.size());
  folder.put("raw", "a head of 20 bytes. " + bytes);
  const std::string path = folder.file("raw");

  const std::uint64_t whole = fingerprint(array, {24}, {0}, {24});
  EXPECT_EQ(stored_fingerprint(path, 20, 0, 24), whole);
  EXPECT_EQ(stored_fingerprint(path, 20, 0, 7) + stored_fingerprint(path, 20, 7, 24), whole);
  EXPECT_EQ(stored_fingerprint(path, 20, 5, 5), 0U);
  EXPECT_EQ(message_of<std::runtime_error>([&] { stored_fingerprint(path, 20, 0, 25); }),
            "the file ends early");
  EXPECT_EQ(
      message_of<std::runtime_error>([&] { stored_fingerprint(folder.file("absent"), 0, 0, 1); }),
      "No such file or directory");
}

} // namespace
} // namespace komori::io
