// SPDX-License-Identifier: Apache-2.0
#include "server/supervisor.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fstream>
#include <string>

namespace gw::server {

namespace {

constexpr int kRounds = 1000;  // of killing, a millisecond apart: what forks on and on ends some time

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

void supervise(const std::function<int()>& work) {
  sigset_t awaited, before;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &awaited, &before);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) ::_exit(errno);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
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
