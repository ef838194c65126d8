// SPDX-License-Identifier: Apache-2.0
#include "server/crash_handler.h"

#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>

#include "base/thread_note.h"

namespace gw::server {

namespace {

#ifdef GW_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

const char* name_of(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "SIGABRT";
  }
}

// A line of bounded length, made without the heap and without locale.
class Line {
 public:
  Line& operator<<(const char* text) {
    while (*text != 0 && size_ < sizeof bytes_ - 1) bytes_[size_++] = *text++;
    return *this;
  }
  void hexadecimal(std::uintptr_t value) {
    char digits[2 * sizeof value + 1];
    char* at = digits + sizeof digits - 1;
    *at = 0;
    do *--at = "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    *this << "0x" << at;
  }
  void write() {
    bytes_[size_++] = '\n';
    (void)!::write(STDERR_FILENO, bytes_, size_);
  }

 private:
  char bytes_[512];
  std::size_t size_ = 0;
};

// SA_RESETHAND has put the default back: raised again, the signal ends the process as it should
// once this returns.
void on_crash(int signal, siginfo_t* info, void*) {
  const base::ThreadNote note = base::thread_note;
  Line line;
  line << "gateway " GW_VERSION " crashes: " << name_of(signal);
  if (signal != SIGABRT) {
    line << " at ";
    line.hexadecimal(reinterpret_cast<std::uintptr_t>(info->si_addr));
  }
  if (note.who == nullptr) {
    line << " in the gateway itself";
  } else {
    line << " in plugin " << note.who << ", " << note.where;
  }
  line.write();
  ::raise(signal);
}

}  // namespace

void install_crash_handler() {
  if (kSanitized) return;
  struct sigaction action {};
  action.sa_sigaction = &on_crash;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

CrashStack::CrashStack() : memory_(new char[kStackBytes]) {
  stack_t stack{};
  stack.ss_sp = memory_;
  stack.ss_size = kStackBytes;
  if (!kSanitized) ::sigaltstack(&stack, nullptr);
}

CrashStack::~CrashStack() {
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  if (!kSanitized) ::sigaltstack(&none, nullptr);
  delete[] memory_;
}

}  // namespace gw::server
