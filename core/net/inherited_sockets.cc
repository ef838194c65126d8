// SPDX-License-Identifier: Apache-2.0
#include "net/inherited_sockets.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace gw::net {

namespace {

constexpr int kFirst = 3;
constexpr int kMost = 256;

std::string take_variable(const char* name) {
  const char* text = std::getenv(name);
  const std::string out = text == nullptr ? "" : text;
  unsetenv(name);
  return out;
}

// 0: not a number.
long number(const std::string& text) {
  long out = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && at == end ? out : 0;
}

}  // namespace

InheritedSockets InheritedSockets::take() {
  const long process = number(take_variable("LISTEN_PID"));
  const long count = number(take_variable("LISTEN_FDS"));
  const std::string names = take_variable("LISTEN_FDNAMES");
  InheritedSockets out;
  if (process != getpid()) return out;
  std::string_view rest = names;
  for (int i = 0; i < std::min<long>(count, kMost); ++i) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string_view name = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    const int fd = kFirst + i;
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0) continue;
    fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    out.sockets_.emplace_back(name.empty() ? "unknown" : name, fd);
  }
  return out;
}

std::vector<int> InheritedSockets::named(std::string_view name) const {
  std::vector<int> out;
  for (const auto& [its_name, fd] : sockets_)
    if (its_name == name) out.push_back(fd);
  return out;
}

}  // namespace gw::net
