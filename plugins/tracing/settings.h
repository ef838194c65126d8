// SPDX-License-Identifier: Apache-2.0
//
// The configuration of a tracing instance.
#pragma once

#include <gateway/plugin.hpp>
#include <string>

#include "reporter.h"

namespace gw::tracing {

struct Settings {
  ReporterOptions reporter;
  double probability = 1;  // of a trace that begins here
  bool join = true;        // go on with the caller's trace
  std::string service;
};

// Throws ConfigError.
Settings read_settings(Config config);

}  // namespace gw::tracing
