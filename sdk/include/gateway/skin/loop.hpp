// SPDX-License-Identifier: Apache-2.0
//
// What runs on a worker's loop. Part of gateway/plugin.hpp.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "context.hpp"

namespace gw {

// Runs a function after a while, once or again and again. Destroying it cancels. Neither copied nor moved,
// because the host holds its address.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }
  void start(Worker worker, std::uint32_t delay_ms, std::function<void()> fire,
             std::uint32_t repeat_ms = 0) {
    cancel();
    fire_ = std::move(fire);
    repeats_ = repeat_ms != 0;
    ticket_ = tables.timer->start(worker.raw(), delay_ms, repeat_ms, &Timer::run, this);
  }
  void cancel() {
    if (ticket_) tables.timer->cancel(std::exchange(ticket_, nullptr));
  }
  bool active() const { return ticket_ != nullptr; }

 private:
  static void run(void* user) {
    auto* self = static_cast<Timer*>(user);
    if (!self->repeats_) self->ticket_ = nullptr;
    auto fire = self->fire_;  // the function may start or destroy this timer
    try {
      fire();
    } catch (...) {  // nobody waits for an answer
    }
  }
  gw_ticket* ticket_ = nullptr;
  bool repeats_ = false;
  std::function<void()> fire_;
};

// Work on a thread of the host's (gw.offload/1), one at a time. Destroying it cancels: `done` is then not called,
// and what the functions hold is destroyed when `work`, which may be running, has returned. Neither copied nor moved.
class Offload {
 public:
  Offload() = default;
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;
  ~Offload() { cancel(); }
  // `work` on that thread, where of the host only what any thread may call is allowed; then `done` on the worker. An
  // exception of `work` is given to `done`. False: the host has no threads for it, or too much waits already.
  bool start(Worker worker, std::function<void()> work,
             std::function<void(std::exception_ptr)> done) {
    cancel();
    if (tables.offload == nullptr) return false;
    auto job = std::make_unique<Job>(Job{std::move(work), std::move(done), nullptr, this});
    ticket_ = tables.offload->run(
        worker.raw(), &Job::run, &Job::finish, [](void* user) { delete static_cast<Job*>(user); },
        job.get());
    if (ticket_ != nullptr) job.release();
    return ticket_ != nullptr;
  }
  void cancel() {
    if (ticket_) tables.offload->cancel(std::exchange(ticket_, nullptr));
  }
  bool active() const { return ticket_ != nullptr; }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void(std::exception_ptr)> done;
    std::exception_ptr failure;
    Offload* owner;

    static void run(void* user) {
      auto* job = static_cast<Job*>(user);
      try {
        job->work();
      } catch (...) {
        job->failure = std::current_exception();
      }
    }
    static void finish(void* user) {
      std::unique_ptr<Job> job(static_cast<Job*>(user));
      job->owner->ticket_ = nullptr;
      try {
        job->done(job->failure);
      } catch (...) {  // nobody waits for an answer
      }
    }
  };
  gw_ticket* ticket_ = nullptr;
};

// Owns any ticket that lives until it is cancelled (fd watch, turn hook), or that its owner releases in
// the callback (resolution, call-out).
class Ticket {
 public:
  Ticket() = default;
  Ticket(gw_ticket* ticket, void (*cancel)(gw_ticket*)) : ticket_(ticket), cancel_(cancel) {}
  Ticket(Ticket&& other) noexcept { *this = std::move(other); }
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(ticket_, other.ticket_);
    std::swap(cancel_, other.cancel_);
    return *this;
  }
  ~Ticket() { reset(); }
  void reset() {
    if (ticket_) cancel_(std::exchange(ticket_, nullptr));
  }
  // Call first in the last callback of the ticket: it is dead then.
  void release() { ticket_ = nullptr; }
  gw_ticket* get() const { return ticket_; }

 private:
  gw_ticket* ticket_ = nullptr;
  void (*cancel_)(gw_ticket*) = nullptr;
};

}  // namespace gw
