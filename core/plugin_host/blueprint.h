// SPDX-License-Identifier: Apache-2.0
//
// Blueprint: a configuration whose plugins are loaded, whose instances are created and whose
// pipelines are known to fit together. Nothing of it runs yet, and making one has no effect
// outside of this process: `gateway check` does no more than this.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/chain.h"
#include "plugin_host/instance.h"
#include "plugin_host/recorder.h"

namespace gw::plugin_host {

// One pipeline: its filters in order, and the router that may stand last.
struct ChainPlan {
  std::string name;
  pipeline::ChainMatch match;
  std::vector<std::shared_ptr<Instance>> filters;
  std::shared_ptr<Instance> router;  // or null
};

// How a generation proves itself before it takes over.
struct CanaryPlan {
  std::uint32_t percent = 0;  // of new requests; 0: it takes over at once
  std::uint32_t time_ms = 0;
  // More failed exchanges than those of the old generation by more than so many percentage points
  // end it.
  std::uint32_t max_errors_percent = 0;
};

struct Blueprint {
  std::vector<std::shared_ptr<Instance>> instances;  // in the order of the configuration
  std::vector<ChainPlan> chains;                     // likewise
  std::map<const Instance*, std::shared_ptr<Recorder>> recorders;
  std::shared_ptr<const pipeline::TextSource> texts;
  CanaryPlan canary;
  std::uint32_t start_timeout_ms = 30000;
  std::uint32_t drain_timeout_ms = 30000;  // also for an instance's stop
};

}  // namespace gw::plugin_host
