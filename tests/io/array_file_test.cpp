#include "io/array_file.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "io/result_file.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A .npy file of version `version`.0 with this dictionary and these bytes after it.
std::string npy(const std::string& dictionary, const std::string& data, int version = 1) {
  std::string text = "\x93NUMPY";
  text += static_cast<char>(version);
  text += '\0';
  const std::size_t size = dictionary.size() + 1;
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) text += static_cast<char>(size >> (8 * i) & 255);
  return text + dictionary + "\n" + data;
}

std::string header(const std::string& type, const std::string& shape, bool by_columns = false) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", type,
                     by_columns ? "True" : "False", shape);
}

template <class Number>
std::string bytes(const std::vector<Number>& values, bool reversed = false) {
  std::string data;
  for (const Number value : values) {
    std::string one(sizeof(Number), '\0');
    std::memcpy(one.data(), &value, sizeof(Number));
    data += reversed ? std::string(one.rbegin(), one.rend()) : one;
  }
  return data;
}

class ArrayFiles : public testing::Test {
protected:
  /// Replaces a file that every rank is done with.
  void put(const std::string& name, const std::string& content) const {
    MPI_Barrier(folder_.comm());
    folder_.put(name, content);
  }
  std::vector<double> all(const std::string& name, std::int64_t part = 0) const {
    ArrayFile file(folder_.file(name), "/trajectory");
    std::vector<double> values(static_cast<std::size_t>(file.rows() * file.columns()));
    file.read(part, 0, file.rows(), values);
    return values;
  }
  std::string error(const std::string& content) const {
    put("wrong.npy", content);
    return message_of<base::InputError>([&] { all("wrong.npy"); });
  }
  TemporaryFolder folder_;
};

TEST_F(ArrayFiles, every_type_order_and_version) {
  const std::vector<double> sample{1, 2, 3, 4, 5, 6};
  const auto expect = [&](const std::string& content) {
    put("a.npy", content);
    EXPECT_EQ(all("a.npy"), sample);
  };
  expect(npy(header("<f8", "(3, 2)"), bytes<double>({1, 2, 3, 4, 5, 6})));
  expect(npy(header("<f8", "(3, 2)"), bytes<double>({1, 2, 3, 4, 5, 6}), 2));
  expect(npy(header("<f4", "(3, 2)"), bytes<float>({1, 2, 3, 4, 5, 6}), 3));
  expect(npy(header(">f4", "(3, 2)"), bytes<float>({1, 2, 3, 4, 5, 6}, true)));
  expect(npy(header("<i4", "(3,2)"), bytes<std::int32_t>({1, 2, 3, 4, 5, 6})));
  expect(npy(header(">i8", "(3, 2,)"), bytes<std::int64_t>({1, 2, 3, 4, 5, 6}, true)));
  expect(npy(header("<u2", "(6,)"), bytes<std::uint16_t>({1, 2, 3, 4, 5, 6})));
  expect(npy(header("|u1", "(6, 1)"), bytes<std::uint8_t>({1, 2, 3, 4, 5, 6})));
  expect(npy(header("<f8", "(3, 2)", true), bytes<double>({1, 3, 5, 2, 4, 6})));
  expect(npy("{\"shape\":(3,2),\"fortran_order\":False,\"descr\":\"<i2\"}",
             bytes<std::int16_t>({1, 2, 3, 4, 5, 6})));
}

TEST_F(ArrayFiles, parts_and_pieces_of_them) {
  folder_.put("a.npy", npy(header("<f8", "(2, 3, 2)"),
                           bytes<double>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})));
  ArrayFile file(folder_.file("a.npy"), "");
  EXPECT_EQ(file.parts(), 2);
  EXPECT_EQ(file.rows(), 3);
  EXPECT_EQ(file.columns(), 2);
  std::vector<double> values(4);
  file.read(1, 1, 2, values);
  EXPECT_THAT(values, ElementsAre(9, 10, 11, 12));
  folder_.put("b.npy", npy(header("<f8", "(4, 2)", true), bytes<double>({1, 2, 3, 4, 5, 6, 7, 8})));
  ArrayFile by_columns(folder_.file("b.npy"), "");
  by_columns.read(0, 1, 2, values);
  EXPECT_THAT(values, ElementsAre(2, 6, 3, 7));
}

TEST_F(ArrayFiles, csv) {
  put("a.csv", "x, y\n1, 2.5\n\n-3e2,4\r\n");
  EXPECT_EQ(all("a.csv"), (std::vector<double>{1, 2.5, -300, 4}));
  ArrayFile file(folder_.file("a.csv"), "");
  EXPECT_EQ(file.rows(), 2);
  std::vector<double> row(2);
  file.read(0, 1, 1, row);
  EXPECT_THAT(row, ElementsAre(-300, 4));
  const auto error_of = [&](const std::string& content) {
    put("b.csv", content);
    return message_of<base::InputError>([&] { all("b.csv"); });
  };
  EXPECT_THAT(error_of("1,2\n3\n"), HasSubstr("line 2 has 1 numbers, but those before it have 2"));
  EXPECT_THAT(error_of("1,2\n3,nan\n"), HasSubstr("line 2, column 2 is 'nan'"));
  EXPECT_THAT(error_of("1,2\n3,4x\n"), HasSubstr("line 2, column 2 is '4x'"));
  EXPECT_THAT(error_of("x,y\n"), HasSubstr("it holds no numbers"));
  EXPECT_THAT(error_of("1e400,2\n"), HasSubstr("line 1, column 1"));
}

TEST_F(ArrayFiles, hdf5) {
  const std::vector<double> values{1, 2, 3, 4, 5, 6, 7, 8};
  {
    ResultFile file(folder_.comm(), folder_.file("a.h5"));
    file.write_small("/trajectory", values, {4, 2}, {{"meaning", "-"}, {"unit", "-"}});
    file.write_small("/many", values, {2, 2, 2}, {{"meaning", "-"}, {"unit", "-"}});
    file.create("/huge", {1, 2}, {{"meaning", "-"}, {"unit", "-"}});
    file.commit();
  }
  EXPECT_EQ(all("a.h5"), values);
  ArrayFile many(folder_.file("a.h5"), "/many");
  std::vector<double> row(2);
  many.read(1, 1, 1, row);
  EXPECT_THAT(row, ElementsAre(7, 8));
  EXPECT_THAT(message_of<base::InputError>([&] { ArrayFile(folder_.file("a.h5"), "/none"); }),
              HasSubstr("there is no dataset '/none'; it holds 'huge', 'many', 'trajectory'"));
}

TEST_F(ArrayFiles, an_hdf5_dataset_that_was_never_written) {
  if (folder_.rank() == 0) {
    const File file(
        H5Fcreate(folder_.file("a.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), "file");
    const std::vector<hsize_t> shape{hsize_t{1} << 50, 2};
    const std::vector<hsize_t> chunk{1024, 2};
    const Dataspace space(H5Screate_simple(2, shape.data(), nullptr), "space");
    const PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), "properties");
    check_hdf5(H5Pset_chunk(creation.get(), 2, chunk.data()), "chunk");
    const Dataset data(H5Dcreate2(file.get(), "trajectory", H5T_NATIVE_DOUBLE, space.get(),
                                  H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                       "dataset");
  }
  MPI_Barrier(folder_.comm());
  EXPECT_THAT(
      message_of<base::InputError>([&] { all("a.h5"); }),
      HasSubstr("dataset '/trajectory' has shape [1125899906842624, 2], but only 0 bytes in "
                "the file: it was never written"));
}

TEST_F(ArrayFiles, what_is_wrong_is_named) {
  const std::string data = bytes<double>({1, 2, 3, 4, 5, 6});
  EXPECT_THAT(error("x,y\n1,2\n"), HasSubstr("is neither a .npy file nor HDF5"));
  EXPECT_THAT(error(npy(header("<f8", "(3, 2)"), data, 9)), HasSubstr("is of version 9.0"));
  EXPECT_THAT(error(npy(header("<f8", "(3, 2)"), data + "x")),
              HasSubstr("but the file has 119; it is followed by something else"));
  EXPECT_THAT(error(npy(header("<f8", "(300000000000, 2)"), data)), HasSubstr("it is cut short"));
  EXPECT_THAT(error(npy(header("<f8", "(4000000000000000, 4000000000000000)"), data)),
              HasSubstr("has the absurd shape (4000000000000000, 4000000000000000)"));
  EXPECT_THAT(error(npy(header("<f8", "(99999999999999999999999, 2)"), data)),
              HasSubstr("has an absurd shape"));
  EXPECT_THAT(error(npy(header("<f8", "(-3, 2)"), data)), HasSubstr("something that is no number"));
  EXPECT_THAT(error(npy(header("<c16", "(3, 2)"), data)), HasSubstr("of type '<c16'"));
  EXPECT_THAT(error(npy(header("<f2", "(3, 2)"), data)), HasSubstr("of type '<f2'"));
  EXPECT_THAT(error(npy(header("|O", "(3, 2)"), data)), HasSubstr("of type '|O'"));
  EXPECT_THAT(error(npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (6,)}", data)),
              HasSubstr("has named fields"));
  EXPECT_THAT(error(npy("{'descr': '<f8', 'shape': (6,)}", data)),
              HasSubstr("lacks descr, fortran_order or shape"));
  EXPECT_THAT(error(npy("{'shape': (6,), 'shape': (6,)}", data)), HasSubstr("has 'shape' twice"));
  EXPECT_THAT(error(npy("{'descr': '<f8', 'fortran_order': __import__('os')}", data)),
              HasSubstr("neither True nor False"));
  EXPECT_THAT(error(npy(header("<f8", "(3, 2)") + "x", data)), HasSubstr("goes on after its '}'"));
  EXPECT_THAT(error(npy(header("<f8", "(0, 2)"), "")), HasSubstr("the array is empty"));
  EXPECT_THAT(error(npy(header("<f8", "()"), bytes<double>({1}))), HasSubstr("has 0 axes"));
  EXPECT_THAT(error(npy(header("<f8", "(1, 1, 1, 6)"), data)), HasSubstr("has 4 axes"));
  EXPECT_THAT(error(npy(header("<f8", "(1, 3, 2)", true), data)), HasSubstr("in Fortran order"));
  EXPECT_THAT(error("\x93NUMPY"), HasSubstr("is of version"));
  EXPECT_THAT(error(std::string("\x93NUMPY\1\0\xff\xff{", 11)), HasSubstr("claims 65535 bytes"));
  EXPECT_THAT(message_of<base::InputError>([&] { all("none.npy"); }),
              HasSubstr("none.npy': cannot be read: No such file"));
  EXPECT_THAT(message_of<base::InputError>([&] { all("."); }), HasSubstr("it is a folder"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(
      error(npy(header("<f8", "(3, 2)"), bytes<double>({1, 2, 3, nan, 5, 6}))),
      HasSubstr("wrong.npy': row 1, column 1 (from 0) is nan, but every value must be finite"));
}

} // namespace
} // namespace komori::io
