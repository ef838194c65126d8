// SPDX-License-Identifier: Apache-2.0
//
// Runs foreign code in a child, and lets nothing that it starts outlive it: not even processes
// that took a session of their own.
#pragma once

#include <functional>

namespace gw::server {

// Only for a process with one thread that does nothing else. The child calls `work` and ends with
// its status. When it has ended, or this process was asked to end (SIGTERM, also sent when its own
// parent dies), all its descendants are killed and this process ends as the child did.
[[noreturn]] void supervise(const std::function<int()>& work);

}  // namespace gw::server
