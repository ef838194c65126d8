// SPDX-License-Identifier: Apache-2.0
//
// What is under way in the fake host: tickets, pauses, posts.
#include <algorithm>
#include <cstdint>

#include "testing/exchange_state.h"

namespace gw::testing {

Ticket* FakeHost::State::make_ticket(Ticket::Kind kind, WorkerPart* owner, void* user) {
  Ticket& ticket = tickets.emplace_back();
  ticket.kind = kind;
  ticket.number = tickets.size();
  ticket.owner = owner;
  ticket.user = user;
  live.insert(&ticket);
  return &ticket;
}

Ticket* FakeHost::State::check_ticket(gw_ticket* handle, Ticket::Kind kind, const char* call) {
  auto* ticket = reinterpret_cast<Ticket*>(handle);
  if (!on_worker(ticket->owner, call)) return nullptr;
  if (ticket->kind != kind) {
    breach(std::string(call) + ": a ticket of another kind");
    return nullptr;
  }
  if (!ticket->live) {
    if (!ticket->running) breach(std::string(call) + ": the ticket is dead");
    return nullptr;
  }
  return ticket;
}

void FakeHost::State::kill(Ticket* ticket) {
  if (!ticket->live) return;
  ticket->live = false;
  live.erase(ticket);
  if (ticket->kind == Ticket::Kind::kFd) --watches;
  if (ticket->due_ns != 0) timers.erase({ticket->due_ns, ticket->order});
  if (ticket->kind == Ticket::Kind::kOffload && !ticket->running && ticket->drop != nullptr)
    ticket->drop(ticket->user);
}

void FakeHost::State::schedule(Ticket* ticket, std::uint64_t due_ns) {
  ticket->due_ns = due_ns;
  ticket->order = ++timer_order;
  timers[{due_ns, ticket->order}] = ticket;
}

std::size_t FakeHost::State::cancel_all(const WorkerPart* part) {
  std::vector<Ticket*> mine;
  std::copy_if(live.begin(), live.end(), std::back_inserter(mine),
               [&](auto* t) { return t->owner == part; });
  for (Ticket* ticket : mine) kill(ticket);
  return mine.size();
}

void FakeHost::State::arm_pause(Exchange::State& exchange, std::uint32_t timeout_ms) {
  std::lock_guard lock(mutex);
  if (free_pauses.empty()) {
    free_pauses.push_back(static_cast<std::uint32_t>(pauses.size()));
    pauses.push_back(nullptr);
    pause_generations.push_back(0);
  }
  std::uint32_t slot = free_pauses.back();
  free_pauses.pop_back();
  pauses[slot] = &exchange;
  exchange.waker = {id << 32 | slot, ++pause_generations[slot]};
  pause_deadlines.emplace(now_ns + timeout_ms * std::uint64_t{1'000'000}, exchange.waker);
}

void FakeHost::State::disarm_pause(gw_waker waker) {
  auto slot = static_cast<std::uint32_t>(waker.slot);
  std::lock_guard lock(mutex);
  if (slot >= pauses.size() || pauses[slot] == nullptr ||
      pause_generations[slot] != waker.generation)
    return;
  pauses[slot] = nullptr;
  free_pauses.push_back(slot);
}

void FakeHost::State::end_pause(gw_waker waker, bool by_deadline) {
  auto slot = static_cast<std::uint32_t>(waker.slot);
  if (slot >= pauses.size() || pause_generations[slot] != waker.generation) return;
  Exchange::State* exchange = pauses[slot];
  if (exchange != nullptr && exchange->is_paused) exchange->end_pause(by_deadline);
}

void FakeHost::State::drop_posts(const Instance::State& instance) {
  std::deque<Post> dropped;
  {
    std::lock_guard lock(mutex);
    std::copy_if(posts.begin(), posts.end(), std::back_inserter(dropped),
                 [&](const Post& post) { return post.instance == &instance; });
    std::erase_if(posts, [&](const Post& post) { return post.instance == &instance; });
  }
  for (const Post& post : dropped)
    if (post.drop != nullptr) post.drop(post.user);
}

}  // namespace gw::testing
