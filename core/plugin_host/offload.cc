// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/offload.h"

#include <memory>
#include <system_error>
#include <utility>

#include "base/thread_note.h"
#include "plugin_host/context.h"

namespace gw::plugin_host {

OffloadPool::~OffloadPool() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool OffloadPool::run(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return false;
  const base::OwnThreads own;
  if (idle_ <= waiting_.size() && threads_.size() < most_) {
    try {
      threads_.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) return false;
    }
  }
  waiting_.push_back(std::move(work));
  wake_.notify_one();
  return true;
}

void OffloadPool::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return over_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

void Lent::add() {
  const std::lock_guard lock(mutex_);
  ++count_;
}

void Lent::remove() {
  std::function<void()> none;
  {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none = std::exchange(none_, nullptr);
  }
  if (none) none();
}

bool Lent::when_none(std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    if (count_ > 0) {
      none_ = std::move(done);
      return false;
    }
  }
  done();
  return true;
}

namespace {

struct OffloadTicket;

// Shared by the ticket, the pool and the way back. Exactly one of `done` and `drop` is called.
struct Job {
  void (*work)(void*);
  void (*done)(void*);
  void (*drop)(void*);
  void* user;
  net::Loop* loop;
  const char* label;           // of the instance, which outlives what it has lent
  base::ThreadTally* threads;  // its library's, as long
  std::shared_ptr<Lent> lent;
  OffloadTicket* ticket = nullptr;  // [worker] null: cancelled, or over
  std::mutex mutex;
  enum { kWaiting, kRunning, kReturned } state = kWaiting;
  bool cancelled = false;

  void give_up() {
    if (drop != nullptr) drop(user);
    lent->remove();
  }
  static void run(const std::shared_ptr<Job>& job);
  void finish();
};

struct OffloadTicket final : gw_ticket {
  static constexpr Kind kKind = gw_ticket::kOffload;
  explicit OffloadTicket(gw_worker& its_worker) : gw_ticket(its_worker, kKind) {}
  void stop() override {
    job->ticket = nullptr;
    {
      const std::lock_guard lock(job->mutex);
      job->cancelled = true;
      if (job->state == Job::kRunning) return;  // its thread gives it up
    }
    job->give_up();
  }
  std::shared_ptr<Job> job;
};

// [pool]
void Job::run(const std::shared_ptr<Job>& job) {
  {
    const std::lock_guard lock(job->mutex);
    if (job->cancelled) return;
    job->state = kRunning;
  }
  const base::NotedCall noted(job->label, "offloaded work", job->threads);
  job->work(job->user);
  {
    const std::lock_guard lock(job->mutex);
    job->state = kReturned;
    if (!job->cancelled && job->loop->post([job] { job->finish(); })) return;
  }
  job->give_up();
}

// [worker]
void Job::finish() {
  if (ticket == nullptr) return;
  const BusyInstance busy(*ticket->worker, "the end of offloaded work");
  ticket->worker->bury(*std::exchange(ticket, nullptr));
  done(user);
  lent->remove();
}

void cancel(gw_ticket* ticket) {
  gw_ticket::cancel(ticket, OffloadTicket::kKind);
}

gw_ticket* run(gw_worker* worker, void (*work)(void*), void (*done)(void*), void (*drop)(void*),
               void* user) {
  worker->check_thread();
  gw_context& context = worker->context;
  auto ticket = std::make_unique<OffloadTicket>(*worker);
  ticket->job = std::make_shared<Job>();
  Job& job = *ticket->job;
  job.work = work;
  job.done = done;
  job.drop = drop;
  job.user = user;
  job.loop = worker->seat.loop;
  job.label = context.label.c_str();
  job.threads = context.threads;
  job.lent = context.lent;
  job.ticket = ticket.get();
  job.lent->add();
  if (!context.host.offload->run([kept = ticket->job] { Job::run(kept); })) {
    job.lent->remove();
    return nullptr;
  }
  return worker->keep(std::move(ticket));
}

}  // namespace

const gw_offload_api* offload_api() {
  static constexpr gw_offload_api api = {sizeof(gw_offload_api), run, cancel};
  return &api;
}

}  // namespace gw::plugin_host
