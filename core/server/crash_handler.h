// SPDX-License-Identifier: Apache-2.0
//
// Names the plugin whose code a thread died in. The signal then takes its usual course: core dump,
// exit status and systemd see what they would have seen.
#pragma once

namespace gw::server {

// Once, early. SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT; one line on standard error, made of what
// the thread has noted (base/thread_note.h) by async-signal-safe means alone. Nothing under a
// sanitizer, which has better handlers.
void install_crash_handler();

// On each thread that shall be able to tell of an overflow of its own stack too.
class CrashStack {
 public:
  CrashStack();
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  char* memory_;
};

}  // namespace gw::server
