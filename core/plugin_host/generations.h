// SPDX-License-Identifier: Apache-2.0
//
// Generations: brings a blueprint to life and lets the one before it go.
//
//   start     parts are created on every worker, new instances start, with a deadline. Any failure
//             takes what is new down again; live traffic has not been touched.
//   hand over what instances know goes to those that take their places (gateway/abi/handover.h).
//             The last thing that can fail.
//   try       if the blueprint asks for it: as a canary, beside the active generation, it serves some
//             of the new requests. More failures than the active one has, or a held loop, end it.
//   activate  every worker swaps its pipelines between two requests.
//   hand over then their open streams, some each turn.
//   retire    an old generation goes when its last exchange is over; then each of its instances
//             that no newer generation shares, when its last stream is closed: stop, destroy_part
//             on every worker, destroy, unload. Streams are asked to end once after the drain
//             timeout, never cut.
//
// One thread ([main]) decides everything; workers report to it.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "net/loop.h"
#include "plugin_host/blueprint.h"

namespace gw::plugin_host {

// Why a canary was given up, and what the metric's label calls it.
enum class CanaryEnd : std::uint8_t { kErrors, kLoopHeld, kReload, kShutdown };
inline constexpr const char* kCanaryEnds[] = {"errors", "loop_held", "reload", "shutdown"};

// [main]. The host's loops must be running, and everything must be shut down before it is
// destroyed.
class Generations {
 public:
  // The number of the generation that is active now, or why it did not come to that.
  using Done = std::function<void(base::Result<std::uint64_t>)>;

  explicit Generations(Host& host);
  ~Generations();

  // One at a time (GW_CHECK).
  void activate(Blueprint blueprint, Done done);
  // Takes the active generation away (every request is 404 from then on) and calls `done` when all
  // that ever was is gone. Waits for an activation under way. Once.
  void shut_down(std::function<void()> done);

  // Ends a canary that is under way, for that reason.
  void give_canary_up(CanaryEnd why, const std::string& reason);
  // A callback of that instance, or a filter's of that part (either may be null), held a worker.
  void held(const gw_context* context, const pipeline::PartUse* use);

  // From now on instances have a second at most to stop.
  void hurry() { stop_timeout_ms_ = 1000; }

  // Instances of the active generation.
  std::vector<std::shared_ptr<Instance>> running() const;
  std::uint64_t active() const;  // its number; 0: none
  bool trying() const;           // a canary
  std::uint64_t canaries_failed(CanaryEnd why) const {
    return canaries_failed_[static_cast<std::size_t>(why)];
  }
  std::size_t retiring() const { return retiring_.size(); }  // old ones that exchanges hold
  std::size_t ending() const { return ending_.size(); }      // instances on their way out
  // All of them, their instances and what holds these, as a JSON object (gw.report/1, "plugins").
  std::string describe() const;

 private:
  struct Generation;
  struct Ending;

  void start_new();
  void started(const std::string& name, const base::Status& status);
  void move_states();
  void take_over();
  void start_canary();
  void look_at_canary(bool at_end);
  void end_canary(const std::string& failure);
  void swap();
  void serve(std::function<void(std::uint32_t)> swap_on_worker);
  std::unique_ptr<pipeline::WorkerGeneration> share_of(const Generation& generation,
                                                       std::uint32_t worker);
  void hand_streams_over();
  // Instances that serve no new exchanges, and whose parts are there.
  std::vector<Instance*> outgoing() const;
  void discard();
  void finish(base::Result<std::uint64_t> result);
  void retire(std::unique_ptr<Generation> old);
  void worker_retired(std::uint64_t number);
  void release(std::vector<std::shared_ptr<Instance>> instances);
  void end(std::shared_ptr<Instance> instance);
  void check_over();
  bool used(const std::shared_ptr<Instance>& instance) const;

  Host& host_;
  std::uint64_t last_number_ = 0;
  std::uint64_t canaries_failed_[std::size(kCanaryEnds)] = {};
  std::uint32_t drain_timeout_ms_ = 30000;
  std::uint32_t stop_timeout_ms_ = 30000;
  std::unique_ptr<Generation> current_;
  std::unique_ptr<Generation> next_;  // on its way
  Done next_done_;
  std::vector<std::unique_ptr<Generation>> retiring_;
  std::vector<std::unique_ptr<Ending>> ending_;
  std::function<void()> shut_down_;
};

}  // namespace gw::plugin_host
