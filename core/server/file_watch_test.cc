// SPDX-License-Identifier: Apache-2.0
#include "server/file_watch.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace gw::server {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    std::string name = "/tmp/gateway-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    write("one"), write("two");
    auto watch =
        FileWatch::start(loop_, {folder_ / "one", folder_ / "two"}, [this] { ++changes_; });
    EXPECT_TRUE(watch.ok()) << watch.error();
    watch_ = std::move(*watch);
  }
  ~FileWatchTest() override {
    watch_.reset();
    fs::remove_all(folder_);
  }
  void write(const std::string& name) { std::ofstream(folder_ / name, std::ios::app) << "more\n"; }
  // Turns the loop for so long.
  void pass(std::uint32_t milliseconds) {
    bool over = false;
    net::Timer timer;
    timer.start(
        loop_, milliseconds, 0, [](void* flag) { *static_cast<bool*>(flag) = true; }, &over);
    while (!over) loop_.turn(true);
  }
  void wait(int changes) {
    for (int i = 0; i < 600 && changes_ < changes; ++i) pass(50);
    EXPECT_EQ(changes_, changes);
  }

  net::Loop loop_;
  fs::path folder_;
  std::unique_ptr<FileWatch> watch_;
  int changes_ = 0;
};

TEST_F(FileWatchTest, ManyWritesAreOneChange) {
  for (int i = 0; i < 5; ++i) write("one"), write("two"), pass(20);
  wait(1);
  write("two");
  wait(2);
}

TEST_F(FileWatchTest, AReplacedFileIsAChange) {
  write("new");
  fs::rename(folder_ / "new", folder_ / "one");
  wait(1);
}

TEST_F(FileWatchTest, OtherFilesDoNotMatter) {
  write("three");
  pass(3 * FileWatch::kQuietMs);
  EXPECT_EQ(changes_, 0);
  fs::remove(folder_ / "one");
  wait(1);
}

TEST_F(FileWatchTest, ABusyNeighbourDelaysNothing) {
  write("one");
  for (int i = 0; i < 300 && changes_ == 0; ++i) write("log"), pass(100);
  EXPECT_EQ(changes_, 1);
}

TEST(FileWatch, AMissingFolderIsSaid) {
  net::Loop loop;
  EXPECT_FALSE(FileWatch::start(loop, {"/no/such/folder/file"}, [] {}).ok());
}

}  // namespace
}  // namespace gw::server
