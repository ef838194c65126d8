// SPDX-License-Identifier: Apache-2.0
//
// Runs foreign code in a child, and lets nothing that it starts outlive it: not even processes
// that took a session of their own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace gw::server {

// "SIGSEGV (Segmentation fault)"
std::string signal_text(int signal);

// Runs `work` in a supervised child and waits for it, `limit_ms` at most: its status as waitpid gives
// it, or nothing when it took longer and was killed. Only for a process with one thread.
std::optional<int> run_apart(const std::function<int()>& work, std::uint32_t limit_ms);

// Only for a process with one thread that does nothing else. The child calls `work` and ends with
// its status. When it has ended, or this process was asked to end (SIGTERM, also sent when its own
// parent dies), all its descendants are killed and this process ends as the child did. `parent`: who
// started it, and may be dead by now.
[[noreturn]] void supervise(const std::function<int()>& work, pid_t parent);

}  // namespace gw::server
