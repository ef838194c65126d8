// SPDX-License-Identifier: Apache-2.0
//
// `gateway token`: prints a token of the development issuer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings.h"

namespace gw::auth {

struct CommandOutput {
  int status = 0;     // of the program: 0, 1 = failed, 2 = wrong usage
  std::string out;    // for standard output
  std::string error;  // for standard error
};

// Makes the issuer's key file when there is none.
CommandOutput run_token_command(const Settings& settings, std::vector<std::string> arguments,
                                std::int64_t now_ms);

}  // namespace gw::auth
