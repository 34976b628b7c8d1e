#include "io/hdf5.hpp"

#include <type_traits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/read_file.hpp"
#include "io/result_file.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::StartsWith;

static_assert(!std::is_copy_constructible_v<File> && !std::is_copy_assignable_v<File>);
static_assert(std::is_nothrow_move_constructible_v<File>);

ssize_t open_objects() {
  return H5Fget_obj_count(static_cast<hid_t>(H5F_OBJ_ALL), H5F_OBJ_ALL);
}

/// Whether HDF5 still knows the identifier.
bool alive(hid_t id) {
  return H5Iis_valid(id) > 0;
}

TEST(Identifier, ClosesOnce) {
  const hsize_t size = 3;
  Dataspace space(H5Screate_simple(1, &size, nullptr), "a space");
  const hid_t id = space.get();
  Dataspace other(std::move(space));
  EXPECT_EQ(other.get(), id);
  EXPECT_TRUE(alive(id));
  EXPECT_TRUE(other.close());
  EXPECT_FALSE(alive(id));
  EXPECT_TRUE(other.close());
  EXPECT_FALSE(other);
}

TEST(Identifier, ClosesWhatItIsAssignedOver) {
  const hsize_t size = 3;
  Dataspace space(H5Screate_simple(1, &size, nullptr), "a space");
  const hid_t first = space.get();
  space = Dataspace(H5Screate(H5S_SCALAR), "another");
  EXPECT_FALSE(alive(first));
  EXPECT_TRUE(alive(space.get()));
}

TEST(Identifier, SaysWhatHdf5Says) {
  silence_hdf5();
  testing::internal::CaptureStderr();
  const std::string message = message_of<Hdf5Error>([] {
    const File file(H5Fopen("/no/such/file.h5", H5F_ACC_RDONLY, H5P_DEFAULT), "opening it");
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(message, StartsWith("opening it: unable to open file"));
  EXPECT_THAT(message, testing::HasSubstr("No such file or directory"));
}

TEST(Identifier, LeaksNothingWhenSomethingFails) {
  const TemporaryFolder folder;
  const ssize_t before = open_objects();
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.write_small("/x", std::vector<double>{1}, {1}, {});
    EXPECT_THROW(file.write_small("/x", std::vector<double>{1}, {1}, {}), std::runtime_error);
  }
  EXPECT_EQ(open_objects(), before);
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.write_small("/x", std::vector<double>{1}, {1}, {});
    file.commit();
  }
  {
    const ReadFile file(folder.comm(), folder.file("r.h5"));
    EXPECT_THROW(file.read_small("/y", 1), std::runtime_error);
    EXPECT_THROW(file.read_text("/x"), std::runtime_error);
    EXPECT_EQ(open_objects(), before + 1);
  }
  EXPECT_EQ(open_objects(), before);
}

} // namespace
} // namespace komori::io
