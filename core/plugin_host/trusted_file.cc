// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/trusted_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace gw::plugin_host {

namespace {

namespace fs = std::filesystem;
using base::Error;

constexpr int kMaxLinks = 40;

Error system_error(const fs::path& path) {
  return Error{path.string() + ": " + std::strerror(errno)};
}

// What makes `path` replaceable by somebody else, or nothing.
std::string weakness(const struct stat& info) {
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return "belongs to user " + std::to_string(info.st_uid) +
           ", neither root nor the gateway's own";
  if (S_ISLNK(info.st_mode)) return "";  // a link's mode means nothing
  const bool sticky = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) return "can be written by others";
  return "";
}

// Walks from the root, one name at a time, so that every link's own folder is looked at, too.
base::Result<fs::path> walk(const fs::path& absolute) {
  std::vector<fs::path> rest;  // names still to walk, the next one last
  auto push = [&rest](const fs::path& path) {
    std::vector<fs::path> names(path.begin(), path.end());
    rest.insert(rest.end(), names.rbegin(), names.rend());
  };
  push(absolute);
  fs::path at;
  for (int links = 0; !rest.empty();) {
    const fs::path name = rest.back();
    rest.pop_back();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    const fs::path next = name.is_absolute() ? name : at / name;
    struct stat info;
    if (::lstat(next.c_str(), &info) != 0) return system_error(next);
    if (std::string why = weakness(info); !why.empty()) return Error{next.string() + " " + why};
    if (!S_ISLNK(info.st_mode)) {
      at = next;
      continue;
    }
    if (++links > kMaxLinks) return Error{next.string() + ": too many symbolic links"};
    std::error_code failed;
    const fs::path target = fs::read_symlink(next, failed);
    if (failed) return Error{next.string() + ": " + failed.message()};
    push(target);
  }
  return at;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

base::Result<std::string> read_all(int fd, const fs::path& path) {
  std::string bytes;
  char piece[65536];
  for (;;) {
    const ssize_t got = ::read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path);
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > kMaxLibraryBytes)
      return Error{path.string() + " is larger than 256 MiB"};
    bytes.append(piece, static_cast<std::size_t>(got));
  }
}

std::string sha256(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  GW_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    hex += digits[digest[i] >> 4];
    hex += digits[digest[i] & 15];
  }
  return hex;
}

}  // namespace

base::Result<TrustedFile> read_trusted(const fs::path& path) {
  std::error_code failed;
  const fs::path absolute = fs::absolute(path, failed);
  if (failed) return Error{path.string() + ": " + failed.message()};
  auto walked = walk(absolute);
  if (!walked) return Error{walked.error()};

  const Descriptor file(::open(walked->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) return system_error(*walked);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return system_error(*walked);
  if (!S_ISREG(info.st_mode)) return Error{walked->string() + " is not a file"};
  // The name may have been given to another file since the walk.
  if (std::string why = weakness(info); !why.empty()) return Error{walked->string() + " " + why};
  auto bytes = read_all(file.get(), *walked);
  if (!bytes) return Error{bytes.error()};
  TrustedFile trusted{*walked, std::move(*bytes), ""};
  trusted.hash = sha256(trusted.bytes);
  return trusted;
}

}  // namespace gw::plugin_host
