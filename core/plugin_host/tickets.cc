// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/tickets.h"

#include <utility>

#include "plugin_host/context.h"

gw_worker::gw_worker(gw_context& its_context, gw::plugin_host::Seat& its_seat,
                     std::uint32_t its_index)
    : context(its_context),
      seat(its_seat),
      index(its_index),
      freeing_(*its_seat.loop, &gw_worker::free_dead, this) {}

gw_worker::~gw_worker() {
  cancel_all();
  free_dead(this);
  while (spare_ != nullptr) delete std::exchange(spare_, spare_->next);
}

gw_ticket* gw_ticket::living(gw_ticket* ticket, Kind kind) {
  if (ticket == nullptr) return nullptr;
  ticket->worker->check_thread();
  if (ticket->kind != kind) ticket->worker->context.breach("mixed up two kinds of ticket");
  return ticket->over ? nullptr : ticket;
}

void gw_ticket::cancel(gw_ticket* ticket, Kind kind) {
  if (living(ticket, kind) == nullptr) return;
  ticket->stop();
  ticket->worker->bury(*ticket);
}

void gw_worker::check_thread() const {
  if (!seat.loop->on_loop_thread())
    context.breach("called a function of a worker from another thread");
}

void gw_worker::link(gw_ticket& ticket) {
  ticket.previous = nullptr;
  ticket.next = living_;
  if (living_ != nullptr) living_->previous = &ticket;
  living_ = &ticket;
  ++context.tickets[index][ticket.kind];
}

gw_ticket* gw_worker::keep(std::unique_ptr<gw_ticket> ticket) {
  link(*ticket);
  return ticket.release();
}

void gw_worker::bury(gw_ticket& ticket) {
  ticket.over = true;
  --context.tickets[index][ticket.kind];
  (ticket.previous != nullptr ? ticket.previous->next : living_) = ticket.next;
  if (ticket.next != nullptr) ticket.next->previous = ticket.previous;
  ticket.next = dead_;
  dead_ = &ticket;
  freeing_.arm();
}

gw_ticket* gw_worker::take_spare() {
  if (spare_ == nullptr) return nullptr;
  gw_ticket* ticket = std::exchange(spare_, spare_->next);
  --spare_count_;
  ticket->over = false;
  link(*ticket);
  return ticket;
}

void gw_worker::free_dead(void* self) {
  auto& worker = *static_cast<gw_worker*>(self);
  gw_ticket* dead = std::exchange(worker.dead_, nullptr);
  while (dead != nullptr) {
    gw_ticket* ticket = std::exchange(dead, dead->next);
    if (ticket->kind == gw_ticket::kTimer && worker.spare_count_ < kMostSpare) {
      ticket->next = std::exchange(worker.spare_, ticket);
      ++worker.spare_count_;
    } else {
      delete ticket;
    }
  }
}

std::string gw_worker::cancel_all() {
  constexpr std::array<const char*, gw_ticket::kKinds> names = {
      "timers", "descriptors", "turn hooks", "resolutions", "call-outs", "offloaded work"};
  std::array<std::size_t, gw_ticket::kKinds> counts{};
  while (living_ != nullptr) {
    ++counts[living_->kind];
    living_->stop();
    bury(*living_);
  }
  std::string left;
  for (std::size_t kind = 0; kind < counts.size(); ++kind) {
    if (counts[kind] == 0) continue;
    left += (left.empty() ? "" : ", ") + std::to_string(counts[kind]) + " " + names[kind];
  }
  return left;
}

namespace gw::plugin_host {

namespace {

using Kind = gw_ticket::Kind;

template <class Ticket>
void cancel(gw_ticket* ticket) {
  gw_ticket::cancel(ticket, Ticket::kKind);
}

struct TimerTicket final : gw_ticket {
  static constexpr Kind kKind = gw_ticket::kTimer;
  explicit TimerTicket(gw_worker& its_worker) : gw_ticket(its_worker, kKind) {}
  void stop() override { timer.cancel(); }

  static void run(void* self) {
    auto& ticket = *static_cast<TimerTicket*>(self);
    const BusyInstance busy(*ticket.worker, "a timer");
    ticket.fire(ticket.user);
    if (!ticket.over && !ticket.repeats) ticket.worker->bury(ticket);
  }

  net::Timer timer;
  bool repeats = false;
  void (*fire)(void*) = nullptr;
  void* user = nullptr;
};

gw_ticket* start_timer(gw_worker* worker, std::uint32_t delay_ms, std::uint32_t repeat_ms,
                       void (*fire)(void*), void* user) {
  worker->check_thread();
  gw_ticket* ticket = worker->take_spare();
  if (ticket == nullptr) ticket = worker->keep(std::make_unique<TimerTicket>(*worker));
  auto& timer = *static_cast<TimerTicket*>(ticket);
  timer.repeats = repeat_ms != 0;
  timer.fire = fire;
  timer.user = user;
  timer.timer.start(*worker->seat.loop, delay_ms, repeat_ms, &TimerTicket::run, &timer);
  return &timer;
}

struct WatchTicket final : gw_ticket {
  static constexpr Kind kKind = gw_ticket::kWatch;
  explicit WatchTicket(gw_worker& its_worker) : gw_ticket(its_worker, kKind) {}
  void stop() override { watch.reset(); }

  static void run(void* self, std::uint32_t events) {
    auto& ticket = *static_cast<WatchTicket*>(self);
    const BusyInstance busy(*ticket.worker, "a descriptor");
    ticket.ready(ticket.user, events);
  }

  std::unique_ptr<net::FdWatch> watch;
  void (*ready)(void*, std::uint32_t) = nullptr;
  void* user = nullptr;
};

static_assert(GW_FD_READ == int{net::FdWatch::kRead} && GW_FD_WRITE == int{net::FdWatch::kWrite});

gw_ticket* watch_fd(gw_worker* worker, std::int32_t fd, std::uint32_t events,
                    void (*ready)(void*, std::uint32_t), void* user) {
  worker->check_thread();
  auto ticket = std::make_unique<WatchTicket>(*worker);
  ticket->ready = ready;
  ticket->user = user;
  ticket->watch =
      net::FdWatch::create(*worker->seat.loop, fd, events, &WatchTicket::run, ticket.get());
  return ticket->watch == nullptr ? nullptr : worker->keep(std::move(ticket));
}

gw_status update_watch(gw_ticket* ticket, std::uint32_t events) {
  auto* watch = static_cast<WatchTicket*>(gw_ticket::living(ticket, WatchTicket::kKind));
  if (watch == nullptr) return GW_GONE;
  return watch->watch->update(events) ? GW_OK : GW_ERROR;
}

struct HookTicket final : gw_ticket {
  static constexpr Kind kKind = gw_ticket::kHook;
  HookTicket(gw_worker& its_worker, void (*its_run)(void*), void* its_user)
      : gw_ticket(its_worker, kKind),
        hook(*its_worker.seat.loop, &run_hook, this),
        run(its_run),
        user(its_user) {}
  void stop() override { hook.disarm(); }

  static void run_hook(void* self) {
    auto& ticket = *static_cast<HookTicket*>(self);
    const BusyInstance busy(*ticket.worker, "a turn hook");
    ticket.run(ticket.user);
  }

  net::TurnHook hook;
  void (*run)(void*);
  void* user;
};

gw_ticket* create_hook(gw_worker* worker, void (*run)(void*), void* user) {
  worker->check_thread();
  return worker->keep(std::make_unique<HookTicket>(*worker, run, user));
}

void arm_hook(gw_ticket* ticket) {
  auto* hook = static_cast<HookTicket*>(gw_ticket::living(ticket, HookTicket::kKind));
  if (hook != nullptr) hook->hook.arm();
}

struct ResolutionTicket final : gw_ticket {
  static constexpr Kind kKind = gw_ticket::kResolution;
  explicit ResolutionTicket(gw_worker& its_worker) : gw_ticket(its_worker, kKind) {}
  void stop() override { resolution.reset(); }
  std::unique_ptr<net::Resolution> resolution;
};

gw_ticket* resolve(gw_worker* worker, gw_str host,
                   void (*done)(void*, gw_status, const gw_str*, std::uint32_t), void* user) {
  worker->check_thread();
  auto ticket = std::make_unique<ResolutionTicket>(*worker);
  auto finish = [self = ticket.get(), done, user](const std::vector<std::string>& addresses,
                                                  std::string_view error) {
    std::vector<gw_str> all;
    for (const std::string& address : addresses) all.push_back({address.data(), address.size()});
    const BusyInstance busy(*self->worker, "a resolution");
    self->worker->bury(*self);
    done(user, error.empty() ? GW_OK : GW_ERROR, all.data(),
         static_cast<std::uint32_t>(all.size()));
  };
  const base::OwnThreads own;  // of libuv's pool
  ticket->resolution = net::Resolution::start(
      *worker->seat.loop, {host.ptr, static_cast<std::size_t>(host.len)}, finish);
  return ticket->resolution == nullptr ? nullptr : worker->keep(std::move(ticket));
}

struct CallTicket final : gw_ticket {
  static constexpr Kind kKind = gw_ticket::kCall;
  explicit CallTicket(gw_worker& its_worker) : gw_ticket(its_worker, kKind) {}
  void stop() override { call.reset(); }
  std::unique_ptr<net::CallOutClient::Call> call;
};

using Done = void (*)(void*, const gw_call_answer*);

gw_status status_of(net::CallOutAnswer::Outcome outcome) {
  switch (outcome) {
    case net::CallOutAnswer::Outcome::kAnswered:
      return GW_OK;
    case net::CallOutAnswer::Outcome::kTimeout:
      return GW_TIMEOUT;
    case net::CallOutAnswer::Outcome::kTooLarge:
      return GW_LIMIT;
    case net::CallOutAnswer::Outcome::kFailed:
      break;
  }
  return GW_ERROR;
}

gw_str view_of(const std::string& text) {
  return {text.data(), text.size()};
}

void give_answer(const net::CallOutAnswer& answer, Done done, void* user) {
  std::vector<gw_header> headers;
  for (const auto& [name, value] : answer.headers)
    headers.push_back({view_of(name), view_of(value)});
  gw_call_answer out{};
  out.struct_size = sizeof out;
  out.status = status_of(answer.outcome);
  out.http_status = answer.status;
  out.header_count = static_cast<std::uint32_t>(headers.size());
  out.headers = headers.data();
  out.body = view_of(answer.body);
  out.error = view_of(answer.error);
  done(user, &out);
}

// The fields that the plugin's edition of the struct has.
net::CallOutRequest request_of(const gw_call_request& from) {
  auto text = [](gw_str s) { return std::string(s.ptr, s.ptr + s.len); };
  net::CallOutRequest request;
  if (from.timeout_ms != 0) request.timeout_ms = from.timeout_ms;
  if (from.connect_timeout_ms != 0) request.connect_timeout_ms = from.connect_timeout_ms;
  if (from.max_answer_bytes != 0) request.max_answer_bytes = from.max_answer_bytes;
  if (from.method.len != 0) request.method = text(from.method);
  request.url = text(from.url);
  request.body = text(from.body);
  for (std::uint32_t i = 0; i < from.header_count; ++i)
    request.headers.emplace_back(text(from.headers[i].name), text(from.headers[i].value));
  return request;
}

gw_ticket* call(gw_worker* worker, const gw_call_request* request, Done done, void* user) {
  worker->check_thread();
  if (request->struct_size < sizeof(gw_call_request)) return nullptr;
  auto ticket = std::make_unique<CallTicket>(*worker);
  auto finish = [self = ticket.get(), done, user](const net::CallOutAnswer& answer) {
    const BusyInstance busy(*self->worker, "a call-out");
    self->worker->bury(*self);
    give_answer(answer, done, user);
  };
  const base::OwnThreads own;  // of the call-outs' resolver
  ticket->call = worker->seat.calls->start(request_of(*request), finish);
  return ticket->call == nullptr ? nullptr : worker->keep(std::move(ticket));
}

}  // namespace

const gw_timer_api* timer_api() {
  static constexpr gw_timer_api api = {sizeof(gw_timer_api), start_timer, cancel<TimerTicket>};
  return &api;
}

const gw_fd_api* fd_api() {
  static constexpr gw_fd_api api = {sizeof(gw_fd_api), watch_fd, update_watch, cancel<WatchTicket>};
  return &api;
}

const gw_turn_api* turn_api() {
  static constexpr gw_turn_api api = {sizeof(gw_turn_api), create_hook, arm_hook,
                                      cancel<HookTicket>};
  return &api;
}

const gw_resolve_api* resolve_api() {
  static constexpr gw_resolve_api api = {sizeof(gw_resolve_api), resolve, cancel<ResolutionTicket>};
  return &api;
}

const gw_call_api* call_api() {
  static constexpr gw_call_api api = {sizeof(gw_call_api), call, cancel<CallTicket>};
  return &api;
}

}  // namespace gw::plugin_host
