// SPDX-License-Identifier: Apache-2.0
//
// Hand-over of an instance's state to the one that takes its place (gateway/abi/handover.h), and
// the way back: gw.successor/1. Streams are the pipeline's (pipeline/stream_moves.h).
#pragma once

#include <gateway/abi/handover.h>

#include <string>
#include <vector>

namespace gw::plugin_host {

class Instance;

constexpr std::size_t kMaxStateBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20;

// One instance's state on its way.
struct StateMove {
  Instance* from;
  Instance* to;
  std::vector<Instance*> older;  // of that name, still ending: they ask `to` as well, from now on
};

// [home] All of them, in this turn, or none: then why.
std::string move_states(const std::vector<StateMove>& moves);

const gw_successor_api* successor_api();

}  // namespace gw::plugin_host
