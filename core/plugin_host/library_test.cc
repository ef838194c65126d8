// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/library.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace gw::plugin_host {
namespace {

namespace fs = std::filesystem;

const gw_host kHost = {
    sizeof(gw_host), GW_ABI, {"test", 4}, [](const gw_host*, const char* id) -> const void* {
      return std::string(id) == GW_CLOCK_ID ? "a table" : nullptr;
    }};

class LibraryTest : public testing::Test {
 protected:
  LibraryTest() {
    std::string name = "/tmp/gateway-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~LibraryTest() override { fs::remove_all(folder_); }

  static fs::path built(const std::string& name) {
    return fs::path(GW_TEST_PLUGINS) / (name + ".so");
  }
  fs::path copy(const std::string& name, const std::string& to) {
    fs::copy_file(built(name), folder_ / to, fs::copy_options::overwrite_existing);
    return folder_ / to;
  }
  std::string open_error(const fs::path& path) {
    auto library = libraries_.open(path);
    return library ? "it loads" : library.error();
  }

  fs::path folder_;
  Libraries libraries_{base::Log(), kHost};
};

TEST_F(LibraryTest, LoadsOncePerContentAndUnloadsForGood) {
  auto first = libraries_.open(built("good"));
  ASSERT_TRUE(first.ok()) << first.error();
  auto again = libraries_.open(copy("good", "same.so"));
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ(*first, *again);
  EXPECT_EQ((*first)->manifest().id, "faulty");
  EXPECT_NE((*first)->interface<gw_instance_api>(GW_INSTANCE_ID), nullptr);
  again.value().reset();
  first.value().reset();
  EXPECT_EQ(libraries_.stuck(), 0u);
}

TEST_F(LibraryTest, LoadsTheNewCodeOfAFileThatWasReplaced) {
  auto old_one = libraries_.open(copy("good", "x.so"));
  ASSERT_TRUE(old_one.ok()) << old_one.error();
  copy("pinned", "x.so");
  auto new_one = libraries_.open(folder_ / "x.so");
  ASSERT_TRUE(new_one.ok()) << new_one.error();
  EXPECT_NE(*old_one, *new_one);
  EXPECT_FALSE((*old_one)->manifest().pinned);
  EXPECT_TRUE((*new_one)->manifest().pinned);
}

TEST_F(LibraryTest, RefusesWhatDoesNotKeepTheContract) {
  const std::pair<const char*, const char*> cases[] = {
      {"abi", "was built for plugin ABI 2.0, this gateway has 1.0"},
      {"small", "smaller than the ABI's first edition"},
      {"manifest", "not the one in the file's note"},
      {"init", "init failed with status -1"},
      {"missing", "does not have: gw.telepathy/1, gw.tea/2"},
      {"no_instance", "provides gw.instance/1 by its manifest, but has no such table"},
      {"no_table", "provides gw.router/1 by its manifest, but has no such table"},
      {"newer", "needs plugin ABI 1.9, this gateway has 1.0"},
  };
  for (const auto& [name, expected] : cases) {
    const std::string error = open_error(built(name));
    EXPECT_NE(error.find(expected), std::string::npos) << name << ": " << error;
    EXPECT_EQ(error.find(built(name).string()), 0u) << error;
  }
  EXPECT_EQ(libraries_.stuck(), 0u);
}

TEST_F(LibraryTest, LoadsWhatALaterHeaderBuiltWhenNothingLaterIsRequired) {
  auto library = libraries_.open(built("ahead"));
  ASSERT_TRUE(library.ok()) << library.error();
  EXPECT_EQ((*library)->manifest().optional.size(), 2u);
  const auto* instance = (*library)->interface<gw_instance_api>(GW_INSTANCE_ID);
  ASSERT_NE(instance, nullptr);
  EXPECT_GT(instance->struct_size, sizeof(gw_instance_api));
}

TEST_F(LibraryTest, CountsACopyThatStaysMapped) {
  auto library = libraries_.open(built("stuck"));
  ASSERT_TRUE(library.ok()) << library.error();
  library.value().reset();
  EXPECT_EQ(libraries_.stuck(), 1u);
}

TEST_F(LibraryTest, LoadsNothingMoreWhenTooManyStayMapped) {
  for (std::size_t i = 0; i < Libraries::kMaxStuck; ++i) {
    const fs::path plugin = copy("stuck", "stuck.so");
    std::ofstream(plugin, std::ios::app) << i;  // another file for the loader
    EXPECT_EQ(open_error(plugin), "it loads");
  }
  EXPECT_EQ(libraries_.stuck(), Libraries::kMaxStuck);
  EXPECT_EQ(open_error(built("good")),
            built("good").string() +
                ": too many unloaded plugins are still mapped: this needs a restart");
}

TEST_F(LibraryTest, TakesALibraryAlongAndRefusesAChangedOne) {
  fs::copy_file(built("libgw_test_companion"), folder_ / "libgw_test_companion.so");
  const fs::path plugin = copy("accompanied", "one.so");
  auto first = libraries_.open(plugin);
  ASSERT_TRUE(first.ok()) << first.error();

  // Another content of the companion: some bytes behind the end change nothing but the hash.
  std::ofstream(folder_ / "libgw_test_companion.so", std::ios::app) << "changed";
  const std::string expected = plugin.string() +
                               " its library libgw_test_companion.so has changed since it was "
                               "first loaded: this needs a restart";
  EXPECT_EQ(open_error(plugin), expected);  // and the old code is not passed off as the new one
  std::ofstream(plugin, std::ios::app) << "changed";
  EXPECT_EQ(open_error(plugin), expected);
  first.value().reset();
  EXPECT_EQ(open_error(plugin), "it loads");  // nothing has the old one any more
}

TEST_F(LibraryTest, RefusesFilesThatOthersCouldWrite) {
  const fs::path plugin = copy("good", "x.so");
  ::chmod(plugin.c_str(), 0666);
  EXPECT_NE(open_error(plugin).find("can be written by others"), std::string::npos);
  ::chmod(plugin.c_str(), 0644);
  EXPECT_EQ(open_error(plugin), "it loads");

  ::chmod(folder_.c_str(), 0777);
  EXPECT_NE(open_error(plugin).find(folder_.string() + " can be written by others"),
            std::string::npos);
  ::chmod(folder_.c_str(), 01777);  // sticky, like /tmp
  EXPECT_EQ(open_error(plugin), "it loads");
  ::chmod(folder_.c_str(), 0700);

  fs::create_directory(folder_ / "open");
  fs::create_symlink("../x.so", folder_ / "open" / "link.so");
  EXPECT_EQ(open_error(folder_ / "open" / "link.so"), "it loads");
  ::chmod((folder_ / "open").c_str(), 0777);
  EXPECT_NE(open_error(folder_ / "open" / "link.so").find("can be written by others"),
            std::string::npos);
}

TEST_F(LibraryTest, RefusesFilesOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const fs::path plugin = copy("good", "x.so");
  ASSERT_EQ(::chown(plugin.c_str(), 12345, 12345), 0);
  EXPECT_NE(open_error(plugin).find("belongs to user 12345"), std::string::npos);
}

TEST_F(LibraryTest, SaysWhatIsNoPlugin) {
  EXPECT_NE(open_error(folder_ / "absent.so").find("No such file"), std::string::npos);
  EXPECT_NE(open_error(folder_).find("is not a file"), std::string::npos);
  std::ofstream(folder_ / "text.so") << "#!/bin/sh\n";
  EXPECT_NE(open_error(folder_ / "text.so").find("no ELF file"), std::string::npos);
  EXPECT_NE(open_error(built("libgw_test_companion")).find("has no manifest"), std::string::npos);
  fs::create_symlink("loop.so", folder_ / "loop.so");
  EXPECT_NE(open_error(folder_ / "loop.so").find("too many symbolic links"), std::string::npos);
}

}  // namespace
}  // namespace gw::plugin_host
