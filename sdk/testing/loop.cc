// SPDX-License-Identifier: Apache-2.0
//
// The loop that all workers of the fake host share: what runs when.
#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

constexpr int kMostTurns = 100'000;       // of one run(); more is a loop without end
constexpr int kMostDescriptorTurns = 64;  // in a row in which only descriptors were ready

bool is_numeric_address(const std::string& host) {
  std::array<unsigned char, 16> out{};
  return inet_pton(AF_INET, host.c_str(), out.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), out.data()) == 1;
}

}  // namespace

bool FakeHost::State::run_posts() {
  std::deque<Post> ready;
  {
    std::lock_guard lock(mutex);
    ready.swap(posts);
  }
  bool ran = false;
  for (const Post& post : ready) {
    auto& parts = post.instance->parts;
    if (post.instance->created && parts.empty()) {  // not started yet: it waits for its part
      std::lock_guard lock(mutex);
      posts.push_back(post);
      continue;
    }
    ran = true;
    if (post.index < parts.size() && parts[post.index]->alive) {
      InCallback in(*this, parts[post.index].get());
      post.run(parts[post.index]->part, post.user);
    } else if (post.drop != nullptr) {
      post.drop(post.user);
    }
  }
  return ran;
}

bool FakeHost::State::run_wakes() {
  std::vector<gw_waker> ready;
  {
    std::lock_guard lock(mutex);
    ready.swap(wakes);
  }
  for (gw_waker waker : ready) end_pause(waker, false);
  return !ready.empty();
}

bool FakeHost::State::run_requests() {
  std::vector<Ticket*> ready;
  for (Ticket* ticket : live)
    if ((ticket->kind == Ticket::Kind::kCall || ticket->kind == Ticket::Kind::kResolve ||
         ticket->kind == Ticket::Kind::kOffload) &&
        ticket->armed)
      ready.push_back(ticket);
  bool ran = false;
  for (Ticket* ticket : ready) {
    if (!ticket->live) continue;
    ticket->armed = false;
    ran = true;
    if (ticket->kind == Ticket::Kind::kResolve) {
      finish_resolution(ticket);
      continue;
    }
    if (ticket->kind == Ticket::Kind::kOffload) {
      finish_work(ticket);
      continue;
    }
    std::optional<CallAnswer> answer = on_call ? on_call(ticket->request) : std::nullopt;
    if (answer && ticket->live) finish_call(ticket, *answer);
  }
  return ran;
}

void FakeHost::State::finish_call(Ticket* ticket, const CallAnswer& answer) {
  ViewCopies views;
  std::vector<gw_header> headers;
  for (const auto& [name, value] : answer.headers)
    headers.push_back({views.add(name), views.add(value)});
  auto lent = std::make_unique<gw_call_answer>();
  lent->struct_size = sizeof(gw_call_answer);
  lent->status = answer.status;
  lent->error = views.add(answer.error);
  if (answer.status == GW_OK && answer.body.size() > ticket->max_answer_bytes) {
    lent->status = GW_LIMIT;
    lent->error = views.add("the answer is too large");
  } else if (answer.status == GW_OK) {
    lent->http_status = answer.http_status;
    lent->header_count = static_cast<std::uint32_t>(headers.size());
    lent->headers = headers.data();
    lent->body = views.add(answer.body);
  }
  kill(ticket);
  ticket->running = true;
  InCallback in(*this, ticket->owner);
  ticket->answered(ticket->user, lent.get());
  ticket->running = false;
}

// On a thread of its own, so that what belongs to a worker is missed there as in a gateway.
void FakeHost::State::finish_work(Ticket* ticket) {
  std::thread([ticket] { ticket->work(ticket->user); }).join();
  ticket->running = true;
  kill(ticket);
  InCallback in(*this, ticket->owner);
  ticket->run(ticket->user);
  ticket->running = false;
}

void FakeHost::State::finish_resolution(Ticket* ticket) {
  std::vector<std::string> found;
  if (on_resolve)
    found = on_resolve(ticket->host_name);
  else if (ticket->host_name == "localhost")
    found = {"127.0.0.1"};
  else if (is_numeric_address(ticket->host_name))
    found = {ticket->host_name};
  ViewCopies views;
  std::vector<gw_str> addresses;
  for (const auto& address : found) addresses.push_back(views.add(address));
  kill(ticket);
  ticket->running = true;
  InCallback in(*this, ticket->owner);
  ticket->resolved(ticket->user, found.empty() ? GW_NOT_FOUND : GW_OK,
                   found.empty() ? nullptr : addresses.data(),
                   static_cast<std::uint32_t>(addresses.size()));
  ticket->running = false;
}

bool FakeHost::State::run_timers() {
  bool ran = false;
  std::vector<Ticket*> due;
  for (const auto& [when, ticket] : timers) {
    if (when.first > now_ns) break;
    due.push_back(ticket);
  }
  for (Ticket* ticket : due) {
    if (!ticket->live || ticket->due_ns > now_ns) continue;
    ran = true;
    if (ticket->kind == Ticket::Kind::kCall) {
      finish_call(ticket, {GW_TIMEOUT, 0, {}, "no answer in time", {}});
      continue;
    }
    timers.erase({ticket->due_ns, ticket->order});
    if (ticket->repeat_ms == 0)
      kill(ticket);
    else
      schedule(ticket,
               std::max(ticket->due_ns + ticket->repeat_ms * std::uint64_t{1'000'000}, now_ns + 1));
    ticket->running = true;
    InCallback in(*this, ticket->owner);
    ticket->run(ticket->user);
    ticket->running = false;
  }
  while (!pause_deadlines.empty() && pause_deadlines.begin()->first <= now_ns) {
    gw_waker waker = pause_deadlines.begin()->second;
    pause_deadlines.erase(pause_deadlines.begin());
    end_pause(waker, true);
    ran = true;
  }
  return ran;
}

bool FakeHost::State::run_descriptors(int poll_ms) {
  std::vector<pollfd> fds;
  std::vector<Ticket*> owners;
  if (watches != 0)
    for (Ticket* ticket : live)
      if (ticket->kind == Ticket::Kind::kFd && ticket->events != 0) {
        short events = static_cast<short>(((ticket->events & GW_FD_READ) != 0 ? POLLIN : 0) |
                                          ((ticket->events & GW_FD_WRITE) != 0 ? POLLOUT : 0));
        fds.push_back({ticket->fd, events, 0});
        owners.push_back(ticket);
      }
  if (fds.empty() && poll_ms == 0) return false;
  if (poll(fds.data(), fds.size(), poll_ms) <= 0) return false;
  bool ran = false;
  for (std::size_t i = 0; i < fds.size(); ++i) {
    Ticket* ticket = owners[i];
    short got = fds[i].revents;
    if (got == 0 || !ticket->live) continue;
    if ((got & POLLNVAL) != 0) {
      breach("fd: a watched descriptor was closed before its watch was cancelled");
      kill(ticket);
      continue;
    }
    bool trouble = (got & (POLLERR | POLLHUP)) != 0;
    std::uint32_t events = 0;
    if (trouble || (got & POLLIN) != 0) events |= GW_FD_READ;
    if (trouble || (got & POLLOUT) != 0) events |= GW_FD_WRITE;
    events &= ticket->events;
    if (events == 0) continue;
    ran = true;
    InCallback in(*this, ticket->owner);
    ticket->ready(ticket->user, events);
  }
  return ran;
}

// Tells owners that there is room again, where the client reads.
bool FakeHost::State::run_streams() {
  bool ran = false;
  for (Stream* stream : std::exchange(full_streams, {})) {
    if (!stream->alive || !stream->wants_room) continue;
    if (stream->exchange->blocked || stream->exchange->stream != stream) {
      full_streams.push_back(stream);
      continue;
    }
    stream->wants_room = false;
    if (!GW_HAS(stream->events, on_writable)) continue;
    ran = true;
    InCallback in(*this, stream->owner_part);
    stream->events->on_writable(stream->owner);
  }
  return ran;
}

bool FakeHost::State::run_hooks() {
  std::vector<Ticket*> ready;
  for (Ticket* ticket : live)
    if (ticket->kind == Ticket::Kind::kTurn && std::exchange(ticket->armed, false))
      ready.push_back(ticket);
  for (Ticket* ticket : ready) {
    if (!ticket->live) continue;
    InCallback in(*this, ticket->owner);
    ticket->run(ticket->user);
  }
  return !ready.empty();
}

bool FakeHost::State::turn(bool& only_descriptors, int poll_ms) {
  bool other = run_posts();
  other |= run_wakes();
  other |= run_requests();
  other |= run_streams();
  other |= run_timers();
  bool descriptors = run_descriptors(other ? 0 : poll_ms);
  other |= run_hooks();
  only_descriptors = descriptors && !other;
  return descriptors || other;
}

void FakeHost::State::run() {
  int descriptor_turns = 0;
  for (int turns = 0; turns < kMostTurns; ++turns) {
    bool only_descriptors = false;
    if (!turn(only_descriptors, 0)) return;
    descriptor_turns = only_descriptors ? descriptor_turns + 1 : 0;
    if (descriptor_turns > kMostDescriptorTurns) return;
  }
  breach("the loop does not come to rest");
}

}  // namespace gw::testing
