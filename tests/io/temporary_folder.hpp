/// A place for the files of one test.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <mpi.h>
#include <unistd.h>

#include "base/collective.hpp"
#include "mpi_main.hpp"

namespace komori::io {

/// A new folder that all ranks share, gone when the last rank is done with it. Collective.
class TemporaryFolder {
public:
  TemporaryFolder()
      : path_(base::on_first_rank(comm(), [] {
          std::string name = (std::filesystem::temp_directory_path() / "komori_io_XXXXXX").string();
          return std::string(::mkdtemp(name.data()));
        })) {}
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    MPI_Barrier(comm());
    std::error_code code;
    if (rank() == 0) std::filesystem::remove_all(path_, code);
  }

  static MPI_Comm comm() { return test_session().comm(); }
  static int rank() { return test_session().rank(); }
  static int size() { return test_session().size(); }
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  /// Rank 0 writes a file; nobody goes on before it is there.
  void put(const std::string& name, const std::string& content) const {
    if (rank() == 0) std::ofstream(file(name), std::ios::binary) << content;
    MPI_Barrier(comm());
  }
  /// The bytes of a file.
  std::string content(const std::string& name) const {
    MPI_Barrier(comm());
    std::ifstream stream(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  /// Whether rank 0 sees it; the same on all ranks.
  bool holds(const std::string& name) const {
    return base::on_first_rank(comm(), [&] {
             return std::string(std::filesystem::exists(file(name)) ? "yes" : "no");
           }) == "yes";
  }

private:
  std::string path_;
};

/// What `body` throws as an Error, with a note for the test if it does not.
template <class Error, class Body> std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

} // namespace komori::io
