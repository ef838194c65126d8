// SPDX-License-Identifier: Apache-2.0
//
// What Generations keeps of each generation and of each instance that goes. For generations.cc and
// generations_report.cc alone.
#pragma once

#include "plugin_host/generations.h"

namespace gw::plugin_host {

// Tallies of the workers, shared with them.
struct CanaryWatch {
  using Tallies = std::vector<std::shared_ptr<pipeline::ExchangeTally>>;
  Tallies canary, active;
  net::Timer look, end;
  bool serves = false;  // on all workers
};

struct Generations::Generation {
  std::uint64_t number;
  Blueprint blueprint;
  std::vector<std::shared_ptr<Instance>> fresh;  // made for this generation
  std::size_t waiting = 0;                       // answers that are still to come
  std::string failure;
  std::unique_ptr<CanaryWatch> trial;  // while it is a canary that serves
  std::size_t workers_left = 0;        // that exchanges of it may still be on
  net::Timer patience;                 // until the log says what holds it

  static void log_holders(void* self) {
    for (const auto& instance : static_cast<Generation*>(self)->blueprint.instances)
      instance->log_holders();
  }
};

// An instance on its way out.
struct Generations::Ending {
  std::shared_ptr<Instance> instance;
  net::Timer patience;   // until the log says what holds it, and its streams are asked to end
  bool drained = false;  // they were
  bool leaving = false;  // its parts are being taken down
};

}  // namespace gw::plugin_host
