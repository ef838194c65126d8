// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/generations.h"

#include <algorithm>
#include <utility>

#include "plugin_host/generation.h"
#include "plugin_host/workers.h"

namespace gw::plugin_host {

using base::Error;
using base::Status;

namespace {

// A worker's share, from the parts that live there. [that worker]
std::unique_ptr<pipeline::WorkerGeneration> worker_share(const Blueprint& blueprint,
                                                         std::uint64_t number,
                                                         std::uint32_t worker) {
  auto share = std::make_unique<pipeline::WorkerGeneration>();
  share->number = number;
  share->texts = blueprint.texts;
  for (const ChainPlan& plan : blueprint.chains) {
    pipeline::Chain chain;
    chain.name = plan.name;
    chain.match = plan.match;
    for (const auto& filter : plan.filters) {
      chain.filters.push_back(
          pipeline::make_filter_step(filter->filter(), filter->part(worker), filter->use(worker)));
      const auto recorder = blueprint.recorders.find(filter.get());
      if (recorder == blueprint.recorders.end()) continue;
      const settings::Manifest& manifest = filter->library().manifest();
      RecordedStep recorded =
          record(chain.filters.back(), manifest.id + " " + manifest.version, recorder->second);
      chain.filters.back() = recorded.step;
      share->kept.push_back(std::move(recorded.kept));
    }
    if (plan.router != nullptr)
      chain.router = pipeline::make_router_step(plan.router->router(), plan.router->part(worker),
                                                plan.router->use(worker));
    chain.finish();
    share->chains.push_back(std::move(chain));
  }
  return share;
}

}  // namespace

Generations::Generations(Host& host) : host_(host) {}

Generations::~Generations() {
  GW_CHECK(current_ == nullptr && next_ == nullptr && retiring_.empty() && ending_.empty());
}

std::vector<std::shared_ptr<Instance>> Generations::running() const {
  return current_ == nullptr ? std::vector<std::shared_ptr<Instance>>()
                             : current_->blueprint.instances;
}

std::uint64_t Generations::active() const {
  return current_ == nullptr ? 0 : current_->number;
}

void Generations::activate(Blueprint blueprint, Done done) {
  GW_CHECK(next_ == nullptr && !shut_down_);
  next_ = std::make_unique<Generation>();
  next_->number = ++last_number_;
  next_->blueprint = std::move(blueprint);
  drain_timeout_ms_ = stop_timeout_ms_ = next_->blueprint.drain_timeout_ms;
  next_done_ = std::move(done);
  const auto old_ones = running();
  for (const auto& instance : next_->blueprint.instances)
    if (std::find(old_ones.begin(), old_ones.end(), instance) == old_ones.end())
      next_->fresh.push_back(instance);

  next_->waiting = next_->fresh.size();
  if (next_->fresh.empty()) return swap();
  for (const auto& instance : next_->fresh) {
    instance->create_parts([this, instance](const Status& created) {
      if (!created) next_->failure = "instance " + instance->name() + ": " + created.error();
      if (--next_->waiting > 0) return;
      next_->failure.empty() ? start_new() : discard();
    });
  }
}

void Generations::start_new() {
  next_->waiting = next_->fresh.size();
  for (const auto& instance : next_->fresh)
    instance->start(next_->blueprint.start_timeout_ms,
                    [this, instance](const Status& status) { started(instance->name(), status); });
}

void Generations::started(const std::string& name, const Status& status) {
  if (!status) {
    if (!next_->failure.empty()) next_->failure += "; ";
    next_->failure += "instance " + name + " " + status.error();
  }
  if (--next_->waiting > 0) return;
  next_->failure.empty() ? move_states() : discard();
}

void Generations::move_states() {
  std::vector<StateMove> moves;
  for (const auto& to : next_->fresh) {
    for (const auto& from : running()) {
      // Instances of one build share what it has in variables of its own.
      if (!from->precedes(*to) || &from->library() == &to->library()) continue;
      if (!from->moves_state() || !to->moves_state()) continue;
      StateMove move{from.get(), to.get(), {}};
      for (Instance* older : outgoing())
        if (older->precedes(*to)) move.older.push_back(older);
      moves.push_back(std::move(move));
    }
  }
  if (moves.empty()) return take_over();
  if (next_->blueprint.canary.percent > 0)
    host_.log.info("gateway",
                   "generation " + std::to_string(next_->number) + " is no canary: instance " +
                       moves[0].to->name() +
                       " takes over what the one before it knows, which only one can have");
  host_.seats[0]->loop->post([this, moves = std::move(moves)] {
    host_.main->post([this, failure = plugin_host::move_states(moves)] {
      next_->failure = failure;
      failure.empty() ? swap() : discard();
    });
  });
}

std::vector<Instance*> Generations::outgoing() const {
  std::vector<Instance*> all;
  const auto now = running();
  for (const auto& old : retiring_)
    for (const auto& instance : old->blueprint.instances)
      if (std::find(now.begin(), now.end(), instance) == now.end() &&
          std::find(all.begin(), all.end(), instance.get()) == all.end())
        all.push_back(instance.get());
  for (const auto& ending : ending_)
    if (!ending->leaving) all.push_back(ending->instance.get());
  return all;
}

void Generations::hand_streams_over() {
  for (Instance* from : outgoing())
    for (const auto& to : running())
      if (from->precedes(*to) && from->moves_streams() && to->moves_streams())
        from->hand_streams_to(*to);
}

// The new generation never served: what was made for it goes, and then the reason is told.
void Generations::discard() {
  release(std::move(next_->fresh));
  finish(Error{next_->failure});
}

void Generations::take_over() {
  const CanaryPlan& plan = next_->blueprint.canary;
  current_ != nullptr&& plan.percent > 0 && !shut_down_ ? start_canary() : swap();
}

// [worker] The share of the generation on its way.
std::unique_ptr<pipeline::WorkerGeneration> Generations::share_of(const Generation& generation,
                                                                  std::uint32_t worker) {
  auto share = worker_share(generation.blueprint, generation.number, worker);
  share->on_retired = [this, number = generation.number] {
    host_.main->post([this, number] { worker_retired(number); });
  };
  return share;
}

void Generations::swap() {
  serve([this, next = next_.get()](std::uint32_t worker) {
    host_.seats[worker]->dispatcher->set_generation(share_of(*next, worker));
  });
}

// `swap_on_worker` gives new requests to the next generation, [main] then sees to the old one.
void Generations::serve(std::function<void(std::uint32_t)> swap_on_worker) {
  next_->workers_left = host_.seats.size();
  on_workers(host_, std::move(swap_on_worker), [this] {
    const std::uint64_t number = next_->number;
    auto old = std::exchange(current_, std::move(next_));
    current_->fresh.clear();
    if (old != nullptr) retire(std::move(old));
    hand_streams_over();
    host_.log.info("gateway", "generation " + std::to_string(number) + " is active");
    finish(number);
  });
}

void Generations::finish(base::Result<std::uint64_t> result) {
  next_.reset();
  std::exchange(next_done_, nullptr)(std::move(result));
  if (shut_down_ && current_ != nullptr) {
    auto done = std::exchange(shut_down_, nullptr);
    shut_down(std::move(done));
  } else {
    check_over();
  }
}

void Generations::retire(std::unique_ptr<Generation> old) {
  const bool gone = old->workers_left == 0;
  const std::uint64_t number = old->number;
  old->patience.start(*host_.main, drain_timeout_ms_, drain_timeout_ms_, &Generation::log_holders,
                      old.get());
  retiring_.push_back(std::move(old));
  if (gone) {
    ++retiring_.back()->workers_left;
    worker_retired(number);
  }
}

void Generations::worker_retired(std::uint64_t number) {
  // A fast worker may report before the slowest has swapped: the generation is not retiring yet.
  for (Generation* early : {current_.get(), next_.get()}) {
    if (early == nullptr || early->number != number) continue;
    --early->workers_left;
    return;
  }
  auto at = std::find_if(retiring_.begin(), retiring_.end(),
                         [number](const auto& old) { return old->number == number; });
  GW_CHECK(at != retiring_.end());
  if (--(*at)->workers_left > 0) return;
  const std::unique_ptr<Generation> old = std::move(*at);
  retiring_.erase(at);
  host_.log.info("gateway",
                 "generation " + std::to_string(number) + " has ended its last exchange");
  release(std::move(old->blueprint.instances));
  check_over();
}

bool Generations::used(const std::shared_ptr<Instance>& instance) const {
  auto names = [&instance](const std::unique_ptr<Generation>& generation) {
    if (generation == nullptr) return false;
    const auto& all = generation->blueprint.instances;
    return std::find(all.begin(), all.end(), instance) != all.end();
  };
  return names(current_) || (next_ != nullptr && next_->failure.empty() && names(next_)) ||
         std::any_of(retiring_.begin(), retiring_.end(), names);
}

void Generations::release(std::vector<std::shared_ptr<Instance>> instances) {
  for (auto& instance : instances)
    if (!used(instance)) end(std::move(instance));
}

void Generations::end(std::shared_ptr<Instance> instance) {
  auto& ending = *ending_.emplace_back(std::make_unique<Ending>());
  ending.instance = std::move(instance);
  ending.instance->log_holders();
  ending.patience.start(
      *host_.main, drain_timeout_ms_, drain_timeout_ms_,
      [](void* user) {
        auto& late = *static_cast<Ending*>(user);
        late.instance->log_holders();
        if (!std::exchange(late.drained, true)) late.instance->drain_streams();
      },
      &ending);
  ending.instance->when_idle([this, &ending] {
    ending.patience.cancel();
    ending.leaving = true;
    ending.instance->stop(stop_timeout_ms_, [this, &ending] {
      ending.instance->destroy_parts([this, &ending] {
        auto at = std::find_if(ending_.begin(), ending_.end(),
                               [&ending](const auto& one) { return one.get() == &ending; });
        host_.log.info("gateway", "instance " + ending.instance->name() + " has ended");
        ending_.erase(at);  // destroys it, and unloads its library if nobody else has it
        check_over();
      });
    });
  });
}

void Generations::shut_down(std::function<void()> done) {
  GW_CHECK(!shut_down_);
  shut_down_ = std::move(done);
  give_canary_up(CanaryEnd::kShutdown, "the gateway ends");
  if (next_ != nullptr) return;  // finish() comes back here
  if (current_ == nullptr) return check_over();
  on_workers(
      host_,
      [this](std::uint32_t worker) { host_.seats[worker]->dispatcher->set_generation(nullptr); },
      [this] { retire(std::move(current_)); });
}

void Generations::check_over() {
  if (!shut_down_ || next_ != nullptr || current_ != nullptr || !retiring_.empty() ||
      !ending_.empty())
    return;
  host_.main->post(std::exchange(shut_down_, nullptr));
}

}  // namespace gw::plugin_host
