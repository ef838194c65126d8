// SPDX-License-Identifier: Apache-2.0
#include "server/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <utility>

namespace gw::server {

namespace fs = std::filesystem;
using base::Error;

base::Result<std::unique_ptr<FileWatch>> FileWatch::start(net::Loop& loop,
                                                          std::vector<fs::path> files,
                                                          std::function<void()> changed) {
  std::unique_ptr<FileWatch> made(new FileWatch);
  made->loop_ = &loop;
  made->files_ = std::move(files);
  made->changed_ = std::move(changed);
  made->inotify_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (made->inotify_ < 0) return Error{std::string("inotify_init1: ") + std::strerror(errno)};
  constexpr std::uint32_t kEvents =
      IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
  std::set<fs::path> folders;
  for (const fs::path& file : made->files_) folders.insert(fs::absolute(file).parent_path());
  for (const fs::path& folder : folders) {
    if (::inotify_add_watch(made->inotify_, folder.c_str(), kEvents) < 0)
      return Error{folder.string() + ": " + std::strerror(errno)};
  }
  made->ready_ = net::FdWatch::create(
      loop, made->inotify_, net::FdWatch::kRead,
      [](void* self, std::uint32_t) { static_cast<FileWatch*>(self)->something(); }, made.get());
  if (made->ready_ == nullptr) return Error{"inotify cannot be watched"};
  made->known_ = made->latest_ = stamps_of(made->files_);
  return made;
}

FileWatch::~FileWatch() {
  ready_.reset();
  if (inotify_ >= 0) ::close(inotify_);
}

// Whatever else lies in the folders may change all the time: the stamps tell.
void FileWatch::something() {
  alignas(inotify_event) char events[4096];
  while (::read(inotify_, events, sizeof events) > 0) continue;
  auto now = stamps_of(files_);
  if (now == latest_) return;
  latest_ = std::move(now);
  quiet_.start(
      *loop_, kQuietMs, 0, [](void* self) { static_cast<FileWatch*>(self)->quiet(); }, this);
}

void FileWatch::quiet() {
  if (latest_ == known_) return;
  known_ = latest_;
  const std::function<void()> changed = changed_;
  changed();  // may destroy this
}

}  // namespace gw::server
