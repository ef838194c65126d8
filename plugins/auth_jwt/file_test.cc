// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

namespace gw::auth {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name = ::testing::TempDir() + "auth_jwt_file_XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileTest, CreatesWholePrivateFiles) {
  std::string path = folder_ + "/a/b/key";
  EXPECT_EQ(create_private_file(path, "secret"), "");
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  EXPECT_EQ(read_private_file(path, 100).text, "secret");
  EXPECT_EQ(create_private_file(path, "another"), "");
  EXPECT_EQ(read_private_file(path, 100).text, "secret");
  auto entries = std::filesystem::directory_iterator(folder_ + "/a/b");
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);  // nothing is left lying about
}

TEST_F(FileTest, OneWinsARace) {
  std::string path = folder_ + "/key";
  std::vector<std::thread> threads;
  std::vector<std::string> seen(8);
  for (std::size_t i = 0; i < seen.size(); ++i)
    threads.emplace_back([&, i] {
      EXPECT_EQ(create_private_file(path, std::string(1000, static_cast<char>('a' + i))), "");
      seen[i] = read_private_file(path, 2000).text;
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : seen) {
    EXPECT_EQ(text.size(), 1000u);
    EXPECT_EQ(text, seen[0]);
  }
}

TEST_F(FileTest, RefusesWhatOthersCanRead) {
  std::string path = folder_ + "/key";
  ASSERT_EQ(create_private_file(path, "secret"), "");
  for (unsigned mode : {0640u, 0604u, 0660u, 0602u}) {
    ::chmod(path.c_str(), mode);
    EXPECT_THAT(read_private_file(path, 100).error, HasSubstr("open to others"));
  }
  ::chmod(path.c_str(), 0400);
  EXPECT_EQ(read_private_file(path, 100).error, "");
}

TEST_F(FileTest, BoundsAndKinds) {
  std::string path = folder_ + "/key";
  ASSERT_EQ(create_private_file(path, "12345"), "");
  EXPECT_EQ(read_file(path, 5).text, "12345");
  EXPECT_THAT(read_file(path, 4).error, HasSubstr("larger"));
  EXPECT_THAT(read_file(folder_, 5).error, HasSubstr("not a regular file"));
  EXPECT_THAT(read_file("/dev/zero", 5).error, HasSubstr("not a regular file"));
  EXPECT_THAT(read_file(folder_ + "/none", 5).error, HasSubstr("cannot open"));
  EXPECT_THAT(create_private_file("/proc/none/key", "x"), HasSubstr("cannot create"));
}

}  // namespace
}  // namespace gw::auth
