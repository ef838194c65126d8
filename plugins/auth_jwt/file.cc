// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace gw::auth {
namespace {

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

std::string failure(const std::string& path, const char* what) {
  return std::string(what) + " " + path + ": " + std::strerror(errno);
}

FileText read_descriptor(int fd, const std::string& path, std::size_t max_size) {
  FileText out;
  char buffer[4096];
  while (true) {
    ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return {"", failure(path, "cannot read")};
    if (size == 0) return out;
    out.text.append(buffer, static_cast<std::size_t>(size));
    if (out.text.size() > max_size) return {"", path + " is larger than it may be"};
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return ::fsync(fd) == 0;
}

}  // namespace

FileText read_file(const std::string& path, std::size_t max_size) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (fd.get() < 0 || ::fstat(fd.get(), &facts) != 0) return {"", failure(path, "cannot open")};
  if (!S_ISREG(facts.st_mode)) return {"", path + " is not a regular file"};
  return read_descriptor(fd.get(), path, max_size);
}

FileText read_private_file(const std::string& path, std::size_t max_size) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (fd.get() < 0 || ::fstat(fd.get(), &facts) != 0) return {"", failure(path, "cannot open")};
  if (!S_ISREG(facts.st_mode)) return {"", path + " is not a regular file"};
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0)
    return {"", path + " belongs to another user"};
  if ((facts.st_mode & 077) != 0)
    return {"", path + " is open to others than its owner; chmod 600 it"};
  return read_descriptor(fd.get(), path, max_size);
}

std::string create_private_file(const std::string& path, std::string_view text) {
  if (::access(path.c_str(), F_OK) == 0) return {};
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);

  std::string temporary = path + ".XXXXXX";
  Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (fd.get() < 0) return failure(temporary, "cannot create");
  // A link, not a rename: of two processes that come here at once, the first wins and the second
  // uses what the first has put there.
  std::string problem;
  if (!write_all(fd.get(), text)) {
    problem = failure(temporary, "cannot write");
  } else if (::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    problem = failure(path, "cannot create");
  }
  ::unlink(temporary.c_str());
  return problem;
}

}  // namespace gw::auth
