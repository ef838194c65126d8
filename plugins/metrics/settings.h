// SPDX-License-Identifier: Apache-2.0
//
// The configuration of a metrics instance.
#pragma once

#include <gateway/plugin.hpp>
#include <string>

#include "health.h"
#include "request_series.h"

namespace gw::metrics {

struct Settings {
  SeriesOptions series;
  HealthPolicy health;
  std::string info_json;
};

// Throws ConfigError.
Settings read_settings(Config config);

}  // namespace gw::metrics
