// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/instance.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "plugin_host/workers.h"

namespace gw::plugin_host {

using base::Error;
using base::Nothing;
using base::Status;

Instance::Instance(Host& host, std::shared_ptr<Library> library, std::string name,
                   std::string fingerprint)
    : host_(host),
      library_(std::move(library)),
      fingerprint_(std::move(fingerprint)),
      context_(std::make_unique<gw_context>(host, std::move(name))),
      api_(library_->interface<gw_instance_api>(GW_INSTANCE_ID)),
      filter_(library_->interface<gw_filter_api>(GW_FILTER_ID)),
      router_(library_->interface<gw_router_api>(GW_ROUTER_ID)),
      commands_(library_->interface<gw_command_api>(GW_COMMAND_ID)),
      seats_(host.seats.size()) {
  const settings::Manifest& manifest = library_->manifest();
  context_->label = context_->name + " (" + manifest.id + " " + manifest.version + ")";
  context_->threads = &library_->threads();
  for (Seated& seat : seats_) {
    seat.use.threads = context_->threads;
    seat.use.instance = context_->name;
    seat.use.label = context_->label;
  }
  if (const auto* handover = library_->interface<gw_handover_api>(GW_HANDOVER_ID)) {
    std::memcpy(&handover_, handover,
                std::min<std::size_t>(handover->struct_size, sizeof handover_));
    handover_.struct_size = sizeof handover_;
  }
}

Instance::~Instance() {
  for (const Seated& seat : seats_) GW_CHECK(!seat.made);
  const base::NotedCall noted(context_->label.c_str(), "destroy", context_->threads);
  if (created_) api_->destroy(raw_);
}

bool Instance::is(const std::string& library_hash, const std::string& name,
                  const std::string& fingerprint) const {
  return library_->hash() == library_hash && context_->name == name && fingerprint_ == fingerprint;
}

gw_status Instance::create(const gw_config* config) {
  const base::NotedCall noted(context_->label.c_str(), "create", context_->threads);
  const ConfigReading reading;
  const gw_status status = api_->create(context_.get(), config, &raw_);
  created_ = status == GW_OK;
  return status;
}

Status Instance::create_part(std::uint32_t index) {
  Seated& seat = seats_[index];
  seat.worker = std::make_unique<gw_worker>(*context_, *host_.seats[index], index);
  const BusyInstance busy(*seat.worker, "create_part");
  const gw_status status = api_->create_part(raw_, seat.worker.get(), &seat.part);
  if (status != GW_OK) {
    seat.worker->cancel_all();
    seat.worker.reset();
    return Error{"create_part failed on worker " + std::to_string(index) + " with status " +
                 std::to_string(status)};
  }
  seat.made = true;
  context_->posts->open(index, seat.part);
  return Nothing{};
}

void Instance::create_parts(Done done) {
  struct Outcome {
    std::mutex mutex;
    std::string error;
  };
  auto outcome = std::make_shared<Outcome>();
  on_workers(
      host_,
      [this, outcome](std::uint32_t index) {
        auto created = create_part(index);
        const std::lock_guard lock(outcome->mutex);
        if (!created) outcome->error = created.error();
      },
      [outcome, done = std::move(done)] {
        if (outcome->error.empty()) return done(Nothing{});
        done(Error{outcome->error});
      });
}

void Instance::start(std::uint32_t timeout_ms, Done done) {
  auto answer = Answer::expect(
      host_, timeout_ms,
      [this, timeout_ms, done = std::move(done)](gw_status status, const std::string& message) {
        context_->expect_started(nullptr);
        started_ = status == GW_OK;
        if (started_) return done(Nothing{});
        if (status == GW_TIMEOUT)
          return done(Error{"did not start within " + std::to_string(timeout_ms) + " ms"});
        done(Error{"failed to start: " + (message.empty() ? std::to_string(status) : message)});
      });
  if (!GW_HAS(api_, start)) return answer->give(GW_OK, "");
  context_->expect_started([answer](gw_status status, std::string message) {
    answer->give(status, std::move(message));
  });
  host_.seats[0]->loop->post([this] {
    const BusyInstance busy(*seats_[0].worker, "start");
    api_->start(raw_, seats_[0].part);
  });
}

void Instance::stop(std::uint32_t timeout_ms, std::function<void()> done) {
  auto answer = Answer::expect(
      host_, timeout_ms,
      [this, timeout_ms, done = std::move(done)](gw_status status, const std::string&) {
        context_->expect_stopped(nullptr);
        if (status == GW_TIMEOUT)
          host_.log.warn("plugins", "instance " + name() + " did not stop within " +
                                        std::to_string(timeout_ms) + " ms");
        done();
      });
  if (!std::exchange(started_, false) || !GW_HAS(api_, stop)) return answer->give(GW_OK, "");
  context_->expect_stopped([answer] { answer->give(GW_OK, ""); });
  host_.seats[0]->loop->post([this] {
    const BusyInstance busy(*seats_[0].worker, "stop");
    api_->stop(raw_, seats_[0].part);
  });
}

void Instance::destroy_part(std::uint32_t index) {
  Seated& seat = seats_[index];
  context_->posts->close(index);
  if (!seat.made) return;
  host_.seats[index]->dispatcher->forget_moves(&seat.use);
  if (index == 0) leave_successor();
  {
    const BusyInstance busy(*seat.worker, "destroy_part");
    api_->destroy_part(std::exchange(seat.part, nullptr));
  }
  seat.made = false;
  if (std::string left = seat.worker->cancel_all(); !left.empty())
    host_.log.warn("plugins", "instance " + name() + " left behind on worker " +
                                  std::to_string(index) + ": " + left + " (cancelled)");
  seat.worker.reset();
}

void Instance::destroy_parts(std::function<void()> done) {
  on_workers(
      host_, [this](std::uint32_t index) { destroy_part(index); },
      [this, done = std::move(done)] {
        if (!context_->lent->when_none([main = host_.main, done] { main->post(done); }))
          host_.log.info("plugins", "instance " + name() + " waits for its offloaded work");
      });
}

void Instance::report_idle(void* seated) {
  auto& seat = *static_cast<Seated*>(seated);
  if (seat.idle) std::exchange(seat.idle, nullptr)();
}

void Instance::when_idle(std::function<void()> done) {
  // One report a worker, given when that worker's part is idle; the last one ends it.
  struct Wait {
    std::function<void()> done;
    std::size_t left;
  };
  auto wait = std::make_shared<Wait>(Wait{std::move(done), seats_.size()});
  auto report = [main = host_.main, wait] {
    main->post([wait] {
      if (--wait->left == 0) wait->done();
    });
  };
  for (std::uint32_t i = 0; i < seats_.size(); ++i) {
    host_.seats[i]->loop->post([this, i, report] {
      Seated& seat = seats_[i];
      if (seat.use.idle()) return report();
      seat.idle = report;
      seat.use.user = &seat;
      seat.use.on_idle = &Instance::report_idle;
    });
  }
}

void Instance::drain_streams() {
  for (std::uint32_t i = 0; i < seats_.size(); ++i)
    host_.seats[i]->loop->post(
        [this, i] { host_.seats[i]->dispatcher->drain_streams(&seats_[i].use); });
}

void Instance::log_holders() {
  for (std::uint32_t i = 0; i < seats_.size(); ++i) {
    host_.seats[i]->loop->post([this, i] {
      const pipeline::PartUse& use = seats_[i].use;
      if (use.idle()) return;
      host_.log.info("plugins", "instance " + name() + " is held on worker " + std::to_string(i) +
                                    " by " + std::to_string(use.streams) + " streams and " +
                                    std::to_string(use.exchanges) + " exchanges");
    });
  }
}

bool Instance::precedes(const Instance& next) const {
  return this != &next && name() == next.name() &&
         library_->manifest().id == next.library_->manifest().id;
}

void Instance::hand_streams_to(Instance& next) {
  for (std::uint32_t i = 0; i < seats_.size(); ++i) {
    host_.seats[i]->loop->post([this, &next, i] {
      Seated& from = seats_[i];
      Seated& to = next.seats_[i];
      if (!from.made || !to.made) return;
      host_.seats[i]->dispatcher->move_streams(
          {{&from.use, from.part, &handover_}, {&to.use, to.part, &next.handover_}});
    });
  }
}

gw_status Instance::export_state(const gw_sink& out) {
  const BusyInstance busy(*seats_[0].worker, "export_state");
  return handover_.export_state(raw_, seats_[0].part, &out);
}

gw_status Instance::import_state(std::uint32_t format, gw_str blob) {
  const BusyInstance busy(*seats_[0].worker, "import_state");
  return handover_.import_state(raw_, seats_[0].part, format, blob);
}

void Instance::state_moved() {
  const BusyInstance busy(*seats_[0].worker, "state_moved");
  handover_.state_moved(raw_, seats_[0].part);
}

gw_status Instance::answer(std::uint32_t format, gw_str question, const gw_sink& out) {
  if (handover_.answer == nullptr) return GW_UNSUPPORTED;
  const BusyInstance busy(*seats_[0].worker, "answer");
  return handover_.answer(raw_, seats_[0].part, format, question, &out);
}

void Instance::set_successor(Instance& next) {
  if (context_->successor != nullptr) std::erase(context_->successor->predecessors_, this);
  context_->successor = &next;
  next.predecessors_.push_back(this);
}

bool Instance::runs(const gw_context* context, const pipeline::PartUse* use) const {
  return context == context_.get() ||
         std::any_of(seats_.begin(), seats_.end(),
                     [use](const Seated& seat) { return &seat.use == use; });
}

// Nobody may ask an instance without parts.
void Instance::leave_successor() {
  for (Instance* predecessor : predecessors_) predecessor->context_->successor = nullptr;
  predecessors_.clear();
  if (Instance* next = std::exchange(context_->successor, nullptr))
    std::erase(next->predecessors_, this);
}

std::vector<std::pair<std::string, std::uint64_t>> Instance::holds() const {
  std::uint64_t exchanges = 0, streams = 0, wakers = 0;
  std::array<std::uint64_t, gw_ticket::kKinds> tickets{};
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    exchanges += seats_[i].use.exchanges;
    streams += seats_[i].use.streams;
    wakers += seats_[i].use.wakers;
    for (std::size_t kind = 0; kind < tickets.size(); ++kind)
      tickets[kind] += context_->tickets[i][kind];
  }
  return {{"exchanges", exchanges},
          {"streams", streams},
          {"wakers", wakers},
          {"timers", tickets[gw_ticket::kTimer]},
          {"descriptors", tickets[gw_ticket::kWatch]},
          {"turnHooks", tickets[gw_ticket::kHook]},
          {"resolutions", tickets[gw_ticket::kResolution]},
          {"callOuts", tickets[gw_ticket::kCall]},
          {"offloadedWork", tickets[gw_ticket::kOffload]},
          {"threads", context_->threads->running()}};
}

}  // namespace gw::plugin_host
