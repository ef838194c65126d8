// SPDX-License-Identifier: Apache-2.0
//
// "gw.context/1", "gw.worker/1" and what runs on a worker's loop: timer, fd, turn, post, resolve,
// call.
#include <fcntl.h>
#include <poll.h>

#include "testing/state.h"

namespace gw::testing {

namespace {

WorkerPart* part_of(gw_worker* worker) {
  return reinterpret_cast<WorkerPart*>(worker);
}
Instance::State* instance_of(gw_context* context) {
  return reinterpret_cast<Instance::State*>(context);
}
gw_ticket* raw(Ticket* ticket) {
  return reinterpret_cast<gw_ticket*>(ticket);
}

FakeHost::State& host_of(gw_ticket* ticket) {
  return *reinterpret_cast<Ticket*>(ticket)->owner->host;
}

void cancel(gw_ticket* ticket, Ticket::Kind kind, const char* call) {
  if (ticket == nullptr) return;
  FakeHost::State& host = host_of(ticket);
  if (Ticket* found = host.check_ticket(ticket, kind, call)) host.kill(found);
}

bool usable(WorkerPart* part, const char* call) {
  if (!part->host->on_worker(part, call)) return false;
  if (!part->alive) part->host->breach(std::string(call) + ": after destroy_part");
  return part->alive;
}

gw_str context_name(gw_context* context) {
  return instance_of(context)->name_text.str();
}
std::uint32_t context_worker_count(gw_context* context) {
  return instance_of(context)->host->workers;
}

gw_status context_listener_at(gw_context* context, std::uint32_t i, gw_listener* out) {
  auto& instance = *instance_of(context);
  if (i >= instance.listener_texts.size()) return GW_NOT_FOUND;
  gw_listener all{};
  all.struct_size = out->struct_size;
  all.loopback = instance.host->listeners[i].second ? 1 : 0;
  all.address = instance.listener_texts[i].str();
  std::memcpy(out, &all, std::min<std::size_t>(out->struct_size, sizeof all));
  return GW_OK;
}

void context_started(gw_context* context, gw_status status, gw_str message) {
  auto& instance = *instance_of(context);
  if (!instance.host->on_worker(instance.home(), "started")) return;
  if (!instance.start_called || instance.started)
    return instance.host->breach("started: called twice, or without start");
  instance.started = status;
  instance.start_message = to_view(message);
}

void context_stopped(gw_context* context) {
  auto& instance = *instance_of(context);
  if (!instance.host->on_worker(instance.home(), "stopped")) return;
  if (!instance.stop_called || instance.stopped)
    return instance.host->breach("stopped: called twice, or without stop");
  instance.stopped = true;
}

std::uint32_t worker_index(gw_worker* worker) {
  return part_of(worker)->index;
}

gw_ticket* timer_start(gw_worker* worker, std::uint32_t delay_ms, std::uint32_t repeat_ms,
                       void (*fire)(void*), void* user) {
  WorkerPart* part = part_of(worker);
  if (!usable(part, "timer.start")) return nullptr;
  Ticket* ticket = part->host->make_ticket(Ticket::Kind::kTimer, part, user);
  ticket->repeat_ms = repeat_ms;
  ticket->run = fire;
  part->host->schedule(ticket, part->host->now_ns + delay_ms * std::uint64_t{1'000'000});
  return raw(ticket);
}
void timer_cancel(gw_ticket* ticket) {
  cancel(ticket, Ticket::Kind::kTimer, "timer.cancel");
}

gw_ticket* fd_watch(gw_worker* worker, std::int32_t fd, std::uint32_t events,
                    void (*ready)(void*, std::uint32_t), void* user) {
  WorkerPart* part = part_of(worker);
  if (!usable(part, "fd.watch")) return nullptr;
  if (fd < 0 || fcntl(fd, F_GETFD) == -1) return nullptr;
  for (Ticket* other : part->host->live)
    if (other->kind == Ticket::Kind::kFd && other->fd == fd) {
      part->host->breach("fd.watch: the descriptor is watched already");
      return nullptr;
    }
  Ticket* ticket = part->host->make_ticket(Ticket::Kind::kFd, part, user);
  ticket->fd = fd;
  ticket->events = events;
  ticket->ready = ready;
  ++part->host->watches;
  return raw(ticket);
}
gw_status fd_update(gw_ticket* ticket, std::uint32_t events) {
  if (ticket == nullptr) return GW_INVALID;
  Ticket* found = host_of(ticket).check_ticket(ticket, Ticket::Kind::kFd, "fd.update");
  if (found == nullptr) return GW_GONE;
  if ((events & ~std::uint32_t{GW_FD_READ | GW_FD_WRITE}) != 0) return GW_INVALID;
  found->events = events;
  return GW_OK;
}
void fd_cancel(gw_ticket* ticket) {
  // A closed descriptor may be somebody else's by now, which no poll would show.
  if (ticket != nullptr && reinterpret_cast<Ticket*>(ticket)->live &&
      fcntl(reinterpret_cast<Ticket*>(ticket)->fd, F_GETFD) == -1)
    host_of(ticket).breach("fd.cancel: the descriptor was closed before");
  cancel(ticket, Ticket::Kind::kFd, "fd.cancel");
}

gw_ticket* turn_create(gw_worker* worker, void (*run)(void*), void* user) {
  WorkerPart* part = part_of(worker);
  if (!usable(part, "turn.create")) return nullptr;
  Ticket* ticket = part->host->make_ticket(Ticket::Kind::kTurn, part, user);
  ticket->run = run;
  return raw(ticket);
}
void turn_arm(gw_ticket* hook) {
  if (hook == nullptr) return;
  if (Ticket* found = host_of(hook).check_ticket(hook, Ticket::Kind::kTurn, "turn.arm"))
    found->armed = true;
}
void turn_cancel(gw_ticket* ticket) {
  cancel(ticket, Ticket::Kind::kTurn, "turn.cancel");
}

gw_status post(gw_context* context, std::uint32_t index, void (*run)(void*, void*),
               void (*drop)(void*), void* user) {
  auto& instance = *instance_of(context);
  std::lock_guard lock(instance.host->mutex);
  if (index >= instance.host->workers) return GW_NOT_FOUND;
  instance.host->posts.push_back({&instance, index, run, drop, user});
  return GW_OK;
}

gw_ticket* resolve(gw_worker* worker, gw_str name,
                   void (*done)(void*, gw_status, const gw_str*, std::uint32_t), void* user) {
  WorkerPart* part = part_of(worker);
  if (!usable(part, "resolve")) return nullptr;
  Ticket* ticket = part->host->make_ticket(Ticket::Kind::kResolve, part, user);
  ticket->host_name = to_view(name);
  ticket->resolved = done;
  ticket->armed = true;
  return raw(ticket);
}
void resolve_cancel(gw_ticket* ticket) {
  cancel(ticket, Ticket::Kind::kResolve, "resolve.cancel");
}

gw_ticket* call(gw_worker* worker, const gw_call_request* request,
                void (*done)(void*, const gw_call_answer*), void* user) {
  WorkerPart* part = part_of(worker);
  if (!usable(part, "call")) return nullptr;
  std::string url(to_view(request->url));
  bool http = url.starts_with("http://") && url.size() > 7,
       https = url.starts_with("https://") && url.size() > 8;
  if (!http && !https) return nullptr;
  Ticket* ticket = part->host->make_ticket(Ticket::Kind::kCall, part, user);
  ticket->request.method = to_view(request->method);
  ticket->request.url = std::move(url);
  ticket->request.body = to_view(request->body);
  for (std::uint32_t i = 0; i < request->header_count; ++i)
    ticket->request.headers.emplace_back(to_view(request->headers[i].name),
                                         to_view(request->headers[i].value));
  ticket->max_answer_bytes = request->max_answer_bytes != 0 ? request->max_answer_bytes : 16u << 20;
  ticket->answered = done;
  ticket->armed = true;
  std::uint64_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : 10'000;
  part->host->calls.push_back(ticket->request);
  part->host->schedule(ticket, part->host->now_ns + timeout_ms * 1'000'000);
  return raw(ticket);
}
void call_cancel(gw_ticket* ticket) {
  cancel(ticket, Ticket::Kind::kCall, "call.cancel");
}

gw_ticket* offload(gw_worker* worker, void (*work)(void*), void (*done)(void*), void (*drop)(void*),
                   void* user) {
  WorkerPart* part = part_of(worker);
  if (!usable(part, "offload")) return nullptr;
  Ticket* ticket = part->host->make_ticket(Ticket::Kind::kOffload, part, user);
  ticket->work = work;
  ticket->run = done;
  ticket->drop = drop;
  ticket->armed = true;
  return raw(ticket);
}
void offload_cancel(gw_ticket* ticket) {
  cancel(ticket, Ticket::Kind::kOffload, "offload.cancel");
}

}  // namespace

const gw_context_api kContextTable = {sizeof(gw_context_api), context_name,    context_worker_count,
                                      context_listener_at,    context_started, context_stopped};
const gw_worker_api kWorkerTable = {sizeof(gw_worker_api), worker_index};
const gw_timer_api kTimerTable = {sizeof(gw_timer_api), timer_start, timer_cancel};
const gw_fd_api kFdTable = {sizeof(gw_fd_api), fd_watch, fd_update, fd_cancel};
const gw_turn_api kTurnTable = {sizeof(gw_turn_api), turn_create, turn_arm, turn_cancel};
const gw_post_api kPostTable = {sizeof(gw_post_api), post};
const gw_resolve_api kResolveTable = {sizeof(gw_resolve_api), resolve, resolve_cancel};
const gw_call_api kCallTable = {sizeof(gw_call_api), call, call_cancel};
const gw_offload_api kOffloadTable = {sizeof(gw_offload_api), offload, offload_cancel};

}  // namespace gw::testing
