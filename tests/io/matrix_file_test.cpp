#include "io/matrix_file.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <petscmat.h>

#include "base/error.hpp"
#include "base/petsc.hpp"
#include "io/result_file.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::HasSubstr;

/// 4 x 4 with an empty row and a long one.
const std::vector<MatrixEntry> sample{{0, 0, 0.25},  {0, 3, 0.75}, {2, 0, -1}, {2, 1, 0.5},
                                      {2, 2, 1e-30}, {2, 3, 7},    {3, 1, 1}};

class MatrixFiles : public testing::Test {
protected:
  /// All entries, put together from the ranks' rows.
  std::vector<MatrixEntry> all(const std::string& name, std::size_t chunk = 3) const {
    const MatrixFile file(folder_.comm(), folder_.file(name), "/matrix", chunk);
    std::vector<MatrixEntry> whole;
    const std::int64_t n = file.size();
    for (int rank = 0; rank < folder_.size(); ++rank) { // every split of rows over the ranks
      const std::int64_t first = n * folder_.rank() / folder_.size();
      const std::int64_t end = n * (folder_.rank() + 1) / folder_.size();
      std::vector<MatrixEntry> mine = file.rows(first, end - first);
      auto bytes = static_cast<int>(mine.size() * sizeof(MatrixEntry));
      MPI_Bcast(&bytes, 1, MPI_INT, rank, folder_.comm());
      mine.resize(static_cast<std::size_t>(bytes) / sizeof(MatrixEntry));
      MPI_Bcast(mine.data(), bytes, MPI_BYTE, rank, folder_.comm());
      whole.insert(whole.end(), mine.begin(), mine.end());
    }
    return whole;
  }
  void expect_sample(const std::string& name) const {
    for (const std::size_t chunk : {1UL, 3UL, 1000UL}) {
      const std::vector<MatrixEntry> found = all(name, chunk);
      ASSERT_EQ(found.size(), sample.size());
      for (std::size_t i = 0; i < sample.size(); ++i) {
        EXPECT_EQ(found[i].row, sample[i].row);
        EXPECT_EQ(found[i].column, sample[i].column);
        EXPECT_EQ(found[i].value, sample[i].value);
      }
    }
  }
  std::string error(const std::string& name) const {
    return message_of<base::InputError>([&] { all(name); });
  }
  TemporaryFolder folder_;
};

const std::string banner = "%%MatrixMarket matrix coordinate real general\n";

TEST_F(MatrixFiles, matrix_market) {
  folder_.put("a.mtx", banner + "% a comment\n\n4 4 7\n4 2 1\n1 1 .25\n1 4 0.75\n3 1 -1\n3 2 +0.5\n"
                                "3 3 1e-30\n3 4 7.0\n\n");
  expect_sample("a.mtx");
  folder_.put("b.mtx", "%%MatrixMarket matrix array integer general\n2 2\n1\n0\n3\n4\n");
  const auto dense = all("b.mtx"); // by columns
  ASSERT_EQ(dense.size(), 3);
  EXPECT_EQ(dense[1].column, 1);
  EXPECT_EQ(dense[1].value, 3);
  folder_.put("c.mtx", "%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 1\n2 1 5\n");
  EXPECT_EQ(all("c.mtx").size(), 3);
}

TEST_F(MatrixFiles, petsc_binary) {
  base::on_first_rank(folder_.comm(), [&]() -> std::string {
    base::UniqueMat matrix;
    base::check(MatCreateSeqAIJ(PETSC_COMM_SELF, 4, 4, 4, nullptr, matrix.put()));
    for (const MatrixEntry& e : sample) {
      base::check(MatSetValue(matrix.get(), static_cast<PetscInt>(e.row),
                              static_cast<PetscInt>(e.column), e.value, INSERT_VALUES));
    }
    base::check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
    base::check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
    PetscViewer viewer = nullptr;
    base::check(PetscViewerBinaryOpen(PETSC_COMM_SELF, folder_.file("a.petsc").c_str(),
                                      FILE_MODE_WRITE, &viewer));
    base::check(MatView(matrix.get(), viewer));
    base::check(PetscViewerDestroy(&viewer));
    return {};
  });
  expect_sample("a.petsc");
  const std::string whole = folder_.content("a.petsc");
  folder_.put("cut.petsc", whole.substr(0, whole.size() - 3));
  EXPECT_THAT(error("cut.petsc"), HasSubstr("it is cut short, or no sparse matrix"));
  std::string wild = whole;
  constexpr std::size_t width = sizeof(PetscInt); // big-endian
  wild[width * (4 + 4) + width - 1] = 9;          // the first column
  folder_.put("wild.petsc", wild);
  EXPECT_THAT(error("wild.petsc"), HasSubstr("in row 0, column 9, but columns are 0 to 3"));
}

TEST_F(MatrixFiles, hdf5_dense_and_compressed_rows) {
  {
    ResultFile file(folder_.comm(), folder_.file("dense.h5"));
    std::vector<double> values(16, 0.0);
    for (const MatrixEntry& e : sample)
      values[static_cast<std::size_t>(4 * e.row + e.column)] = e.value;
    file.write_small("/matrix", values, {4, 4}, {{"meaning", "-"}, {"unit", "-"}});
    file.commit();
  }
  expect_sample("dense.h5");
  const auto compressed = [&](const std::string& name, std::vector<std::int64_t> columns,
                              std::vector<std::int64_t> starts = {0, 2, 2, 6, 7}) {
    ResultFile file(folder_.comm(), folder_.file(name));
    std::vector<double> values;
    for (const MatrixEntry& e : sample) values.push_back(e.value);
    file.write_integers("/matrix/indptr", starts, {5}, {{"meaning", "-"}, {"unit", "-"}});
    file.write_integers("/matrix/indices", columns, {7}, {{"meaning", "-"}, {"unit", "-"}});
    file.write_small("/matrix/data", values, {7}, {{"meaning", "-"}, {"unit", "-"}});
    file.commit();
  };
  compressed("rows.h5", {0, 3, 0, 1, 2, 3, 1});
  expect_sample("rows.h5");
  compressed("wild.h5", {0, 3, 0, 1, 2, 4, 1});
  EXPECT_THAT(error("wild.h5"), HasSubstr("'/matrix/indices' entry 5 is 4, but must be an integer "
                                          "from 0 to 3"));
  compressed("late.h5", {0, 3, 0, 1, 2, 3, 1}, {1, 2, 2, 6, 7});
  EXPECT_THAT(error("late.h5"), HasSubstr("'/matrix/indptr' entry 0 is 1, but they must increase "
                                          "from 0 to 7"));
  compressed("early.h5", {0, 3, 0, 1, 2, 3, 1}, {0, 2, 2, 6, 6});
  EXPECT_THAT(error("early.h5"), HasSubstr("'/matrix/indptr' entry 4 is 6, but they must increase "
                                           "from 0 to 7"));
  {
    ResultFile file(folder_.comm(), folder_.file("flat.h5"));
    file.write_small("/matrix", std::vector<double>{1, 2}, {1, 2},
                     {{"meaning", "-"}, {"unit", "-"}});
    file.commit();
  }
  EXPECT_THAT(error("flat.h5"), HasSubstr("has shape [1, 2], but must be square"));
}

TEST_F(MatrixFiles, what_is_wrong_is_named_by_line) {
  const auto text = [&](const std::string& content) {
    folder_.put("bad.mtx", content);
    return error("bad.mtx");
  };
  EXPECT_THAT(text("hello"), HasSubstr("is neither Matrix Market"));
  EXPECT_THAT(text("%%MatrixMarket matrix coordinate pattern general\n"),
              HasSubstr("line 1 is not"));
  EXPECT_THAT(text(banner + "2 3 1\n1 1 1\n"), HasSubstr("line 2 has 2 rows and 3 columns"));
  EXPECT_THAT(text(banner + "2 2 2\n1 1 1\n"), HasSubstr("line 4 is missing: the file ends after 1 "
                                                         "of 2 entries"));
  // Nothing of such a size is allocated.
  EXPECT_THAT(text(banner + "3 3 999999999999\n1 1 1\n"),
              HasSubstr("line 2 announces 1e+12 entries, but the file has only "));
  const std::string array = "%%MatrixMarket matrix array real general\n";
  EXPECT_THAT(
      text(array + "4294967296 4294967296\n1\n"),
      HasSubstr("line 2 announces 1.844674407e+19 entries, but the file has only 65 bytes"));
  EXPECT_THAT(text(banner + "2 2 1\n1 3 1\n"), HasSubstr("line 3 must hold integers from 1 to 2"));
  EXPECT_THAT(text(banner + "2 2 1\n1 1 nan\n"), HasSubstr("line 3 must hold a finite number"));
  EXPECT_THAT(text(banner + "2 2 1\n1 1 1 1\n"), HasSubstr("line 3 has more on it"));
  EXPECT_THAT(text(banner + "2 2 1\n1 1 1\n1 2 1\n"),
              HasSubstr("line 4 stands after the 1 entries"));
  EXPECT_THAT(text(banner + "2 2 2\n2 1 1\n2 1 1\n"),
              HasSubstr("row 1, column 0 (from 0) comes twice"));
  EXPECT_THAT(error("absent.mtx"), HasSubstr("cannot be read: No such file"));
}

} // namespace
} // namespace komori::io
