// SPDX-License-Identifier: Apache-2.0
#include "server/supervisor.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>

namespace gw::server {

namespace {

constexpr int kRounds =
    1000;  // of killing, a millisecond apart: what forks on and on ends some time

// Those of a subreaper are all its descendants whose own parents are gone, sooner or later.
bool kill_children() {
  const std::string self = std::to_string(::getpid());
  std::ifstream children("/proc/" + self + "/task/" + self + "/children");
  bool any = false;
  for (pid_t child; children >> child; any = true) ::kill(child, SIGKILL);
  return any;
}

void kill_descendants() {
  for (int round = 0; round < kRounds; ++round) {
    const bool any = kill_children();
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    if (!any) return;
    const timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

[[noreturn]] void end_as(int status) {
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  ::signal(signal, SIG_DFL);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

}  // namespace

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  const char* words = ::sigdescr_np(signal);
  if (name == nullptr || words == nullptr) return "signal " + std::to_string(signal);
  return "SIG" + std::string(name) + " (" + words + ")";
}

std::optional<int> run_apart(const std::function<int()>& work, std::uint32_t limit_ms) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return W_EXITCODE(errno, 0);
  if (child == 0) supervise(work, parent);
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  pollfd over{handle, POLLIN, 0};
  const bool in_time = handle >= 0 && ::poll(&over, 1, static_cast<int>(limit_ms)) == 1;
  if (handle >= 0) ::close(handle);
  if (!in_time) ::kill(child, SIGTERM);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return in_time ? std::optional(status) : std::nullopt;
}

void supervise(const std::function<int()>& work, pid_t parent) {
  sigset_t awaited, before;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &awaited, &before);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) ::_exit(errno);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != self) ::_exit(1);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::_exit(work());
  }
  while (true) {
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    int status = 0;
    const bool ended = ::waitpid(child, &status, WNOHANG) == child;
    if (!ended && signal != SIGTERM) continue;
    kill_descendants();
    end_as(ended ? status : SIGTERM);
  }
}

}  // namespace gw::server
