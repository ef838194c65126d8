// SPDX-License-Identifier: Apache-2.0
//
// The configuration of a cors instance: its rules, in order.
#pragma once

#include <gateway/plugin.hpp>
#include <vector>

#include "rule.h"

namespace gw::cors {

// Complains, and throws ConfigError.
std::vector<Rule> read_rules(Config config);

}  // namespace gw::cors
