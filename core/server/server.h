// SPDX-License-Identifier: Apache-2.0
//
// The serving program: workers, listeners, reload and drain.
#pragma once

#include <string>

#include "server/command_line.h"

namespace gw::server {

// Serves the configuration in that file until SIGTERM or SIGINT, and reloads it at SIGHUP.
//
//   first SIGTERM/SIGINT   no new connections, what is under way may end until drain_timeout
//   second                 everything that is under way is cut
//   third                  the process ends as it stands
ExitCode serve(const std::string& config_path);

}  // namespace gw::server
