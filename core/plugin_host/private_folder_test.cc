// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/private_folder.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace gw::plugin_host {
namespace {

namespace fs = std::filesystem;

class PrivateFolderTest : public ::testing::Test {
 protected:
  PrivateFolderTest() {
    std::string name = "/tmp/gateway-test-XXXXXX";
    place_ = ::mkdtemp(name.data());
    ::setenv("XDG_RUNTIME_DIR", place_.c_str(), 1);
  }
  ~PrivateFolderTest() override {
    ::unsetenv("XDG_RUNTIME_DIR");
    fs::remove_all(place_);
  }
  static void age(const fs::path& folder) {
    fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  fs::path left_behind(const std::string& name) {
    const fs::path folder = place_ / name;
    fs::create_directory(folder);
    fs::permissions(folder, fs::perms::owner_all);
    return folder;
  }

  fs::path place_;
};

TEST_F(PrivateFolderTest, RemovesWhatAKilledProcessLeft) {
  PrivateFolder living;
  ASSERT_TRUE(living.make().ok());
  age(living.path());
  const fs::path old = left_behind("gateway-abc123");
  age(old);
  const fs::path young = left_behind("gateway-def456");
  const fs::path other = left_behind("gateway-of-somebody");
  age(other);
  PrivateFolder next;
  ASSERT_TRUE(next.make().ok());
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(living.path()));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_TRUE(fs::exists(other));
}

}  // namespace
}  // namespace gw::plugin_host
