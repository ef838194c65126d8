// SPDX-License-Identifier: Apache-2.0
//
// Dispatcher: one worker's pipelines. Takes requests from the connections, walks them through the
// chain of filters of the current generation (exchange.h), and keeps count of what holds old
// generations.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/thread_note.h"
#include "http/transaction.h"
#include "http/upstream.h"
#include "pipeline/chain.h"
#include "pipeline/metrics.h"
#include "pipeline/scheduler.h"
#include "pipeline/stream_moves.h"

struct gw_stream;

namespace gw::pipeline {

class Exchange;
class WakeTable;

// What a plugin did wrong.
constexpr std::string_view kMisuseVerdict = "verdict";        // the exchange fails
constexpr std::string_view kMisuseBody = "body";              // likewise
constexpr std::string_view kMisuseAnswer = "second_answer";   // likewise
constexpr std::string_view kMisuseExchange = "old_exchange";  // refused: it is over
constexpr std::string_view kMisuseStream = "old_stream";      // likewise
constexpr std::string_view kMisuseThread = "thread";          // Debug builds alone look, and abort

#ifdef GW_DEBUG_ABI  // in Debug builds
constexpr bool kDebugAbi = true;
#else
constexpr bool kDebugAbi = false;
#endif

struct DispatcherOptions {
  std::uint32_t connect_timeout_ms = 5000;    // where a router's endpoint names none
  std::uint32_t response_timeout_ms = 60000;  // likewise
  std::uint32_t idle_timeout_ms = 30000;      // likewise
  std::uint64_t body_limit = 10u << 20;       // likewise, bytes of a request's body
  std::uint32_t max_attempts = 3;             // upstream attempts of one exchange
  std::uint32_t max_pauses = 65536;           // waiting filters of one worker
  std::uint32_t stream_unsent_bytes = 65536;  // written to a stream before its head has left
  std::uint32_t max_reply_bytes = 16u << 20;  // body of a filter's own answer
  std::uint32_t retry_after_seconds = 1;      // with 503 of an overloaded upstream
  bool abort_on_misuse = kDebugAbi;           // the process: a debugger sees who broke the ABI
};

// One per worker, on its thread. What it is given must outlive it. Connections must have aborted
// their transactions, and streams be closed, before it is destroyed (GW_CHECK).
class Dispatcher final : public http::TransactionHandler, private ScheduledWork {
 public:
  struct Environment {
    http::UpstreamPool& upstream;
    const base::Clock& clock;
    Scheduler& scheduler;
    base::Log log;
    // Counts a breach of the ABI: by whom, in one word of `kMisuse...`. May be empty.
    std::function<void(std::string_view instance, std::string_view what)> on_misuse = {};
    // A stream was handed over, so long after its move had begun. May be empty.
    std::function<void(double seconds)> on_stream_moved = {};
  };
  explicit Dispatcher(const Environment& environment, const DispatcherOptions& options = {});
  ~Dispatcher() override;

  void on_request(http::Transaction& transaction) override;
  // For exchanges and streams from now on; max_pauses stays.
  void set_options(const DispatcherOptions& options) { options_ = options; }

  // New requests use `next` from now on. The old generation lives until its last exchange is gone
  // and then tells (WorkerGeneration::on_retired). Null: nothing matches, every request is 404.
  void set_generation(std::unique_ptr<WorkerGeneration> next);
  const WorkerGeneration* generation() const { return current_.get(); }
  // A canary: beside the current generation, for `percent` of new requests. There is a current one,
  // and no canary yet.
  void add_canary(std::unique_ptr<WorkerGeneration> canary, std::uint32_t percent);
  // It takes the current one's place, or retires.
  void end_canary(bool promote);
  // From now on, until it is null again.
  void tally_current(std::shared_ptr<ExchangeTally> tally) { current_->tally = std::move(tally); }
  // Old generations that exchanges still hold, oldest first.
  const std::vector<std::unique_ptr<WorkerGeneration>>& retiring() const { return retiring_; }

  std::uint64_t open_exchanges() const { return metrics_.exchanges_open.value(); }
  std::uint64_t open_streams() const { return metrics_.streams_open.value(); }
  // As long as the dispatcher; its values may be read by any thread.
  const PipelineMetrics& metrics() const { return metrics_; }
  // Asks every open stream of that part (null: of all parts) to end (on_drain).
  void drain_streams(const PartUse* use);
  // Ends them; owners hear on_closed(GW_STREAM_SERVER_STOP).
  void close_streams(const PartUse* use);

  // Hands the streams of `move.from` over, now and as long as it is not forgotten.
  void move_streams(const StreamMove& move);
  // Before a part goes.
  void forget_moves(const PartUse* use) { moves_.forget(use); }

  // [any thread] The part whose code the worker runs now, or null: for a watchdog. Only to be read
  // through while that worker is known to be stuck in it.
  const PartUse* running() const { return running_.load(std::memory_order_relaxed); }

  // While it lives the worker runs that part's code, in the function named.
  class Running {
   public:
    Running(Dispatcher& dispatcher, const PartUse* use, const char* where)
        : running_(dispatcher.running_), note_(use->label.c_str(), where, use->threads) {
      running_.store(use, std::memory_order_relaxed);
    }
    ~Running() { running_.store(nullptr, std::memory_order_relaxed); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    std::atomic<const PartUse*>& running_;
    base::NotedCall note_;
  };

 private:
  friend class Exchange;
  friend struct ::gw_stream;

  void on_deadline(std::uint32_t slot) override;
  void on_turn_end() override;
  void on_posted() override;

  Exchange* take_exchange();
  void give_exchange(Exchange* exchange);
  WorkerGeneration* generation_of_next();
  void retire(std::unique_ptr<WorkerGeneration> old);
  void release_generation(WorkerGeneration* generation);
  void stream_ready(const PartUse& use);
  // Null: nobody knows who it was.
  void misused(PartUse* use, std::string_view what, const std::string& words);
  // Of a plugin's call: is this the worker's thread? Looks where misuse aborts.
  void check_thread(const char* call) {
    if (options_.abort_on_misuse && thread_ != std::thread::id() &&
        thread_ != std::this_thread::get_id())
      misused(nullptr, kMisuseThread, std::string("calls ") + call + " on another thread");
  }
  void bury(gw_stream* stream);

  Environment environment_;
  DispatcherOptions options_;
  std::thread::id thread_;  // of the worker, once it has served
  std::unique_ptr<WakeTable> wakes_;
  std::unique_ptr<WorkerGeneration> current_;
  std::unique_ptr<WorkerGeneration> canary_;
  std::uint32_t canary_percent_ = 0;
  std::uint32_t canary_turn_ = 0;
  std::vector<std::unique_ptr<WorkerGeneration>> retiring_;
  std::vector<std::unique_ptr<Exchange>> spare_;
  PipelineMetrics metrics_;
  base::LogLimit misuse_log_;
  base::LogLimit upstream_log_;
  gw_stream* streams_ = nullptr;      // open ones, linked
  gw_stream* next_stream_ = nullptr;  // of a walk under way
  StreamMoves moves_;
  // Streams that are over, the last few: a plugin that goes on with one meets no other's memory.
  static constexpr std::size_t kGraves = 128;
  std::vector<gw_stream*> graves_;
  std::size_t next_grave_ = 0;
  std::atomic<const PartUse*> running_{nullptr};
};

}  // namespace gw::pipeline
