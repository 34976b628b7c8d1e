#include "io/run_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/read_file.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

/// One attribute of /run, numbers as text.
std::string fact(const std::string& path, const char* name) {
  const File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), path);
  const AttributeId attribute(H5Aopen_by_name(file.get(), "/run", name, H5P_DEFAULT, H5P_DEFAULT),
                              name);
  const Datatype type(H5Aget_type(attribute.get()), name);
  if (H5Tget_class(type.get()) == H5T_STRING) {
    std::string text(H5Tget_size(type.get()), '\0');
    check_hdf5(H5Aread(attribute.get(), type.get(), text.data()), name);
    return text.c_str();
  }
  double value = 0;
  check_hdf5(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &value), name);
  return std::to_string(value);
}

RunRecord sample() {
  RunRecord record{.driver = "fokker_planck",
                   .command_line = "fokker_planck a.yaml --set \"title=x\"",
                   .input_file = "a.yaml",
                   .input = "title: x\nmodel:\n  kind: sde\n",
                   .early_exit = "",
                   .start = std::chrono::system_clock::time_point(std::chrono::seconds(86'400)),
                   .seconds = 12.5,
                   .phases = {{.name = "assembly", .seconds = 1.5, .peak_bytes = 2e9},
                              {.name = "spectrum", .seconds = 11, .peak_bytes = 3e9}},
                   .warnings = {"the grid is coarse"},
                   .cells = 64,
                   .nonzeros = -1};
  return record;
}

std::string written(const TemporaryFolder& folder, const RunRecord& record) {
  ResultFile file(folder.comm(), folder.file("r.h5"));
  write(file, folder.comm(), record);
  file.commit();
  return folder.file("r.h5");
}

TEST(RunRecord, SaysWhatRanWhereAndAtWhatCost) {
  const TemporaryFolder folder;
  const std::string path = written(folder, sample());

  EXPECT_EQ(fact(path, "driver"), "fokker_planck");
  EXPECT_EQ(fact(path, "input_file"), "a.yaml");
  EXPECT_EQ(fact(path, "early_exit"), "");
  EXPECT_EQ(fact(path, "start_time"), "1970-01-02T00:00:00Z");
  EXPECT_EQ(fact(path, "seconds"), std::to_string(12.5));
  EXPECT_EQ(fact(path, "ranks"), std::to_string(1.0 * folder.size()));
  EXPECT_EQ(fact(path, "nodes"), std::to_string(1.0));
  EXPECT_EQ(fact(path, "cells"), std::to_string(64.0));
  EXPECT_EQ(fact(path, "index_bits"), std::to_string(8.0 * sizeof(PetscInt)));
  EXPECT_THROW(fact(path, "nonzeros"), Hdf5Error);
  for (const char* name : {"version", "petsc", "slepc", "hdf5"}) {
    EXPECT_THAT(fact(path, name), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+")) << name;
  }
  for (const char* name : {"git_hash", "mpi", "host", "blas"}) EXPECT_NE(fact(path, name), "");

  const ReadFile file(folder.comm(), path);
  EXPECT_EQ(file.read_text("/run/input"), sample().input);
  EXPECT_EQ(file.read_text("/run/command_line"), sample().command_line);
  EXPECT_TRUE(file.contains("/run/phases/name"));
  EXPECT_EQ(file.read_small("/run/phases/seconds", 2), (std::vector<double>{1.5, 11}));
  EXPECT_EQ(file.read_small("/run/phases/peak_bytes", 2), (std::vector<double>{2e9, 3e9}));
  EXPECT_TRUE(file.contains("/run/warnings"));
}

TEST(RunRecord, TakesTheWordOfRankZero) {
  const TemporaryFolder folder;
  RunRecord record = sample();
  if (folder.rank() != 0) {
    record.driver = "another and longer name";
    record.input.clear();
    record.phases.clear();
    record.warnings.emplace_back("only here");
    record.seconds = 99;
    record.cells = -1;
  }
  const std::string path = written(folder, record);
  EXPECT_EQ(fact(path, "driver"), "fokker_planck");
  EXPECT_EQ(fact(path, "seconds"), std::to_string(12.5));
  EXPECT_EQ(fact(path, "cells"), std::to_string(64.0));
  const ReadFile file(folder.comm(), path);
  EXPECT_EQ(file.read_text("/run/input"), sample().input);
  EXPECT_EQ(file.shape("/run/phases/seconds"), std::vector<hsize_t>{2});
}

TEST(RunRecord, MayBeEmptyAndTimesItself) {
  const TemporaryFolder folder;
  RunRecord record;
  record.start = std::chrono::system_clock::now() - std::chrono::seconds(100);
  record.early_exit = "stopped by SIGTERM";
  const std::string path = written(folder, record);
  EXPECT_GE(std::stod(fact(path, "seconds")), 100);
  EXPECT_LT(std::stod(fact(path, "seconds")), 160);
  EXPECT_EQ(fact(path, "early_exit"), "stopped by SIGTERM");
  EXPECT_THROW(fact(path, "cells"), Hdf5Error);
  EXPECT_EQ(ReadFile(folder.comm(), path).shape("/run/phases/seconds"), std::vector<hsize_t>{0});
}

TEST(RunRecord, KeepsAVeryLongInput) {
  const TemporaryFolder folder;
  RunRecord record = sample();
  record.input.assign(300'000, 'a');
  EXPECT_EQ(ReadFile(folder.comm(), written(folder, record)).read_text("/run/input"), record.input);
}

TEST(Version, NamesLibraries) {
  EXPECT_THAT(version_text(), StartsWith("komori "));
  for (const char* library : {"PETSc 3.", "SLEPc 3.", "HDF5 1.", "-bit indices", "BLAS "}) {
    EXPECT_THAT(version_text(), HasSubstr(library));
  }
}

TEST(Blas, IsFound) {
  EXPECT_NE(blas_library(), "unknown");
  if (blas_library().find("openblas") != std::string::npos) {
    EXPECT_FALSE(reference_blas());
  }
}

} // namespace
} // namespace komori::io
