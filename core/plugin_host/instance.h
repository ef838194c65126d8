// SPDX-License-Identifier: Apache-2.0
//
// Instance: one [[plugin]] of the configuration, from `create` to `destroy`
// (gateway/abi/instance.h). Shared by the generations that name the same library, name and
// configuration.
#pragma once

#include <gateway/plugin.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "pipeline/chain.h"
#include "plugin_host/context.h"
#include "plugin_host/handover.h"
#include "plugin_host/host.h"
#include "plugin_host/library.h"

namespace gw::plugin_host {

// [main], unless a function says else. Every `done` runs on [main] and never inside the call.
class Instance {
 public:
  using Done = std::function<void(base::Status)>;

  // `fingerprint`: of the checked configuration.
  Instance(Host& host, std::shared_ptr<Library> library, std::string name, std::string fingerprint);
  // Destroys the plugin's instance. Its parts must be gone.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const std::string& name() const { return context_->name; }
  const Library& library() const { return *library_; }
  // Would a new instance be the same one?
  bool is(const std::string& library_hash, const std::string& name,
          const std::string& fingerprint) const;
  const gw_filter_api* filter() const { return filter_; }  // null: not a filter
  const gw_router_api* router() const { return router_; }
  const gw_command_api* commands() const { return commands_; }
  void* raw() const { return raw_; }

  // Validates by creating. GW_INVALID: complaints are with the configuration.
  gw_status create(const gw_config* config);
  // Fails when one of the parts does; those that were made are then still there.
  void create_parts(Done done);
  void start(std::uint32_t timeout_ms, Done done);
  // Also when `start` never succeeded, which makes it do nothing. A deadline that passes is logged.
  void stop(std::uint32_t timeout_ms, std::function<void()> done);
  void destroy_parts(std::function<void()> done);

  // When no stream of any part is open any more and no exchange is under way.
  void when_idle(std::function<void()> done);
  // Asks the open streams of all parts to end.
  void drain_streams();
  // Logs how many streams and exchanges there are on the workers.
  void log_holders();

  // Hand-over. Functions that the plugin lacks are null.
  const gw_handover_api& handover() const { return handover_; }
  bool moves_streams() const {
    return handover_.export_stream && handover_.adopt_stream && handover_.stream_moved;
  }
  bool moves_state() const {
    return handover_.export_state && handover_.import_state && handover_.state_moved;
  }
  // May `next` take over what this one has?
  bool precedes(const Instance& next) const;
  // Neither may be on its way down yet. Goes on until one of them is.
  void hand_streams_to(Instance& next);
  // [home], while its parts are there
  gw_status export_state(const gw_sink& out);
  gw_status import_state(std::uint32_t format, gw_str blob);
  void state_moved();
  gw_status answer(std::uint32_t format, gw_str question, const gw_sink& out);
  void set_successor(Instance& next);

  // Is it this instance's code that a worker runs? Either may be null.
  bool runs(const gw_context* context, const pipeline::PartUse* use) const;

  // What holds it, over all workers: "exchanges", "streams", "timers", ...
  std::vector<std::pair<std::string, std::uint64_t>> holds() const;

  // [worker `index`] The part, between create_parts and destroy_parts.
  void* part(std::uint32_t index) const { return seats_[index].part; }
  pipeline::PartUse& use(std::uint32_t index) { return seats_[index].use; }

 private:
  struct Seated {  // belongs to its worker's thread
    std::unique_ptr<gw_worker> worker;
    void* part = nullptr;
    bool made = false;
    pipeline::PartUse use;
    std::function<void()> idle;  // set while somebody waits
  };

  base::Status create_part(std::uint32_t index);
  void destroy_part(std::uint32_t index);
  static void report_idle(void* seated);
  void leave_successor();

  Host& host_;
  std::shared_ptr<Library> library_;
  std::string fingerprint_;
  std::unique_ptr<gw_context> context_;
  const gw_instance_api* api_;
  const gw_filter_api* filter_;
  const gw_router_api* router_;
  const gw_command_api* commands_;
  gw_handover_api handover_{};
  std::vector<Instance*> predecessors_;  // [home] that have this one as their successor
  void* raw_ = nullptr;
  bool created_ = false;
  bool started_ = false;
  std::vector<Seated> seats_;
};

}  // namespace gw::plugin_host
