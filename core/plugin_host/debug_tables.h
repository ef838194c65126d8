// SPDX-License-Identifier: Apache-2.0
//
// Tables of Debug builds, which look at the thread of calls that cost too little to be looked at in
// a release: gw.config/1, and the cells of gw.metrics/1. What is wrong aborts.
#pragma once

#include <gateway/plugin.h>

#include "base/metrics.h"

namespace gw::plugin_host {

// Whoever makes one may read a configuration on this thread, as long as it lives.
class ConfigReading {
 public:
  ConfigReading();
  ~ConfigReading();
  ConfigReading(const ConfigReading&) = delete;
  ConfigReading& operator=(const ConfigReading&) = delete;
};

// A cell together with the worker that may write it.
struct WatchedCell {
  base::MetricCell* cell;
  const gw_worker* worker;
};

const gw_config_api* watched_config_api();
const gw_metrics_api* watched_metrics_api();

}  // namespace gw::plugin_host
