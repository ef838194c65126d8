// SPDX-License-Identifier: Apache-2.0
#include "check/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

namespace gw::check {

namespace {

// Shared with the child, which writes there: all that is left of it when it dies.
struct Note {
  Note()
      : text(static_cast<char*>(
            ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Note() {
    if (text != MAP_FAILED) ::munmap(text, kBytes);
  }
  Note(const Note&) = delete;
  Note& operator=(const Note&) = delete;
  std::string read() const {
    return text == MAP_FAILED || *text == 0 ? "" : " " + std::string(text, ::strnlen(text, kBytes));
  }

  static constexpr std::size_t kBytes = 256;
  char* text;
};
const Note* own_note = nullptr;  // in a child

// The first byte of what a child says.
constexpr char kGood = '+', kBad = '-';

[[noreturn]] void child(const Check& check, const Subject& subject, int out) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string said;
  try {
    said = kGood + check.run(subject);
  } catch (const std::exception& error) {
    said = kBad + std::string(error.what());
  }
  (void)!::write(out, said.data(), said.size());
  std::fflush(nullptr);
  ::_exit(0);
}

// Until its end, or the deadline: false.
bool read_all(int from, std::uint32_t limit_ms, std::string& text) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd ready{from, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(left.count())) <= 0) continue;
    char bytes[4096];
    const ssize_t got = ::read(from, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    text.append(bytes, static_cast<std::size_t>(got));
  }
}

}  // namespace

void doing(const std::string& what) {
  if (own_note != nullptr && own_note->text != MAP_FAILED)
    std::snprintf(own_note->text, Note::kBytes, "%s", what.c_str());
}

Verdict try_out(const Check& check, const Subject& subject, std::uint32_t limit_ms) {
  const Note note;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {false, std::string("pipe: ") + std::strerror(errno)};
  const pid_t pid = ::fork();
  if (pid < 0) return {false, std::string("fork: ") + std::strerror(errno)};
  if (pid == 0) {
    own_note = &note;
    ::close(ends[0]);
    child(check, subject, ends[1]);
  }
  ::setpgid(pid, pid);
  ::close(ends[1]);
  std::string said;
  const bool in_time = read_all(ends[0], limit_ms, said);
  ::close(ends[0]);
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!said.empty()) return {said[0] == kGood, said.substr(1)};
  if (!in_time)
    return {false, "does not return within " + std::to_string(limit_ms) + " ms" + note.read()};
  if (WIFSIGNALED(status))
    return {false, "crashes" + note.read() + ": " + ::strsignal(WTERMSIG(status))};
  return {false, "ends the process" + note.read() + ", with status " +
                     std::to_string(WEXITSTATUS(status))};
}

}  // namespace gw::check
