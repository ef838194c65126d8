// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/private_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

namespace gw::plugin_host {

namespace {

namespace fs = std::filesystem;
using base::Error;

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

constexpr char kPrefix[] = "gateway-";
constexpr std::size_t kNameBytes = sizeof kPrefix - 1 + 6;
constexpr auto kYoung = std::chrono::minutes(1);  // perhaps made, and not locked yet

int lock_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// Removes folders of this user in `place` whose processes are gone.
void sweep(const fs::path& place) {
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(place, failed)) {
    const std::string name = entry.path().filename().string();
    struct stat info {};
    if (!name.starts_with(kPrefix) || name.size() != kNameBytes ||
        ::lstat(entry.path().c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
        info.st_uid != ::geteuid() || (info.st_mode & 0777) != 0700 ||
        fs::file_time_type::clock::now() - entry.last_write_time(failed) < kYoung) {
      continue;
    }
    const int fd = lock_folder(entry.path());
    if (fd < 0) continue;
    fs::remove_all(entry.path(), failed);
    ::close(fd);
  }
}

bool code_allowed(const std::string& folder) {
  struct statvfs info;
  return ::statvfs(folder.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) == 0;
}

}  // namespace

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;  // nobody is left to hear it
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

base::Status PrivateFolder::make() {
  if (!path_.empty()) return base::Nothing{};
  std::vector<std::string> places;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime == '/')
    places.emplace_back(runtime);
  places.insert(places.end(), {"/tmp", "/var/tmp"});
  std::string tried;
  for (const std::string& place : places) {
    std::string name = place + "/" + kPrefix + "XXXXXX";
    if (code_allowed(place) && ::mkdtemp(name.data()) != nullptr) {  // mode 0700
      path_ = name;
      lock_ = lock_folder(path_);
      sweep(place);
      return base::Nothing{};
    }
    tried += (tried.empty() ? "" : ", ") + place;
  }
  return Error{"no folder for private copies of plugins: none of " + tried +
               " is writable and allows code"};
}

base::Result<fs::path> PrivateFolder::put(const std::string& name, std::string_view bytes) {
  if (auto made = make(); !made) return Error{made.error()};
  const fs::path file = path_ / name;
  const fs::path half = path_ / (name + ".new");
  const int fd = ::open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0500);
  if (fd < 0) return Error{half.string() + ": " + std::strerror(errno)};
  const bool written = write_all(fd, bytes);
  const int reason = errno;
  ::close(fd);
  if (!written || ::rename(half.c_str(), file.c_str()) != 0) {
    Error error{file.string() + ": " + std::strerror(written ? errno : reason)};
    ::unlink(half.c_str());
    return error;
  }
  return file;
}

void PrivateFolder::remove(const std::string& name) {
  ::unlink((path_ / name).c_str());
}

bool is_mapped(const fs::path& file) {
  std::ifstream maps("/proc/self/maps");
  const std::string& wanted = file.native();
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find('/');
    if (at == std::string::npos || line.compare(at, wanted.size(), wanted) != 0) continue;
    const std::string_view rest = std::string_view(line).substr(at + wanted.size());
    if (rest.empty() || rest == " (deleted)") return true;
  }
  return false;
}

}  // namespace gw::plugin_host
