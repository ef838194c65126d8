// SPDX-License-Identifier: Apache-2.0
//
// Generations: the trial of a new generation beside the active one.
#include <algorithm>
#include <utility>

#include "plugin_host/generation.h"
#include "plugin_host/generations.h"
#include "plugin_host/workers.h"

namespace gw::plugin_host {

namespace {

constexpr std::uint32_t kLookMs = 100;
constexpr std::uint64_t kEnough = 20;  // exchanges of a canary before its time is over

struct Sum {
  explicit Sum(const CanaryWatch::Tallies& tallies) {
    for (const auto& tally : tallies) {
      ended += tally->ended.value();
      failed += tally->failed.value();
    }
  }
  double percent() const {
    return ended == 0 ? 0 : 100.0 * static_cast<double>(failed) / static_cast<double>(ended);
  }
  std::string text() const { return std::to_string(failed) + " of " + std::to_string(ended); }

  std::uint64_t ended = 0, failed = 0;
};

}  // namespace

bool Generations::trying() const {
  return next_ != nullptr && next_->trial != nullptr;
}

void Generations::start_canary() {
  next_->trial = std::make_unique<CanaryWatch>();
  CanaryWatch& trial = *next_->trial;
  for (std::size_t i = 0; i < host_.seats.size(); ++i) {
    trial.canary.push_back(std::make_shared<pipeline::ExchangeTally>());
    trial.active.push_back(std::make_shared<pipeline::ExchangeTally>());
  }
  const CanaryPlan& plan = next_->blueprint.canary;
  host_.log.info("gateway", "generation " + std::to_string(next_->number) + " serves " +
                                std::to_string(plan.percent) + " % of new requests for " +
                                std::to_string(plan.time_ms) + " ms");
  on_workers(
      host_,
      [this, next = next_.get()](std::uint32_t worker) {
        pipeline::Dispatcher& dispatcher = *host_.seats[worker]->dispatcher;
        auto share = share_of(*next, worker);
        share->tally = next->trial->canary[worker];
        dispatcher.tally_current(next->trial->active[worker]);
        dispatcher.add_canary(std::move(share), next->blueprint.canary.percent);
      },
      [this] {
        if (!next_->failure.empty()) return end_canary(next_->failure);
        next_->trial->look.start(
            *host_.main, kLookMs, kLookMs,
            [](void* self) { static_cast<Generations*>(self)->look_at_canary(false); }, this);
        next_->trial->end.start(
            *host_.main, next_->blueprint.canary.time_ms, 0,
            [](void* self) { static_cast<Generations*>(self)->look_at_canary(true); }, this);
        next_->trial->serves = true;
      });
}

void Generations::look_at_canary(bool at_end) {
  const Sum canary(next_->trial->canary), active(next_->trial->active);
  const double bound = active.percent() + next_->blueprint.canary.max_errors_percent;
  if (canary.ended >= (at_end ? 1 : kEnough) && canary.percent() > bound)
    return give_canary_up(CanaryEnd::kErrors, canary.text() + " of its exchanges failed, " +
                                                  active.text() + " of the active generation's");
  if (at_end) end_canary("");
}

void Generations::held(const gw_context* context, const pipeline::PartUse* use) {
  if (!trying()) return;
  for (const auto& instance : next_->fresh)
    if (instance->runs(context, use))
      return give_canary_up(CanaryEnd::kLoopHeld,
                            "instance " + instance->name() + " held a worker's loop");
}

void Generations::give_canary_up(CanaryEnd why, const std::string& reason) {
  if (!trying() || !next_->failure.empty()) return;
  next_->failure = "canary given up: " + reason;
  ++canaries_failed_[static_cast<std::size_t>(why)];
  if (next_->trial->serves) end_canary(next_->failure);
}

// Empty: it takes over.
void Generations::end_canary(const std::string& failure) {
  next_->trial->look.cancel();
  next_->trial->end.cancel();
  // One of its timers may be the caller.
  host_.main->post([trial = std::shared_ptr(std::move(next_->trial))] {});
  if (failure.empty()) {
    return serve([this](std::uint32_t worker) {
      pipeline::Dispatcher& dispatcher = *host_.seats[worker]->dispatcher;
      dispatcher.tally_current(nullptr);
      dispatcher.end_canary(true);
      dispatcher.tally_current(nullptr);
    });
  }
  next_->workers_left = host_.seats.size();
  on_workers(
      host_,
      [this](std::uint32_t worker) {
        host_.seats[worker]->dispatcher->tally_current(nullptr);
        host_.seats[worker]->dispatcher->end_canary(false);
      },
      [this] {
        const base::Error error{next_->failure};
        retire(std::move(next_));
        hand_streams_over();
        finish(error);
      });
}

}  // namespace gw::plugin_host
