// SPDX-License-Identifier: Apache-2.0
//
// The queue on one worker: its store, its streams and its filter. The part of the home worker also
// keeps what a process has one of: the truth when it is in memory, else the subscriber to Redis'
// events, and who asks the sentinels for the master; and the scheduler. News goes from there to all workers, in batches.
#pragma once

#include <cstdint>
#include <gateway/plugin.hpp>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "measures.h"
#include "memory_home.h"
#include "pace.h"
#include "queue_filter.h"
#include "redis_connection.h"
#include "redis_store.h"
#include "scripts.h"
#include "sentinel_watch.h"
#include "settings.h"
#include "store.h"
#include "stream_hub.h"

namespace gw::queue {

// What all parts of an instance share; immutable but for the pace.
struct Shared {
  Shared(Context context, Settings given);

  Context context;
  Settings settings;
  Scripts scripts;
  mutable Pace pace;
};

class QueuePart : private StoreEvents {
 public:
  // `shared` must outlive the part.
  QueuePart(const Shared& shared, Worker worker);
  ~QueuePart() override;

  // Home worker: connects all parts and starts the scheduler; ends with Context::started, which
  // does not wait for Redis longer than kStartPatienceMs.
  void start();

  Verdict on_request_head(Exchange exchange, void*& slot) {
    return filter_->on_request_head(exchange, slot);
  }
  Verdict on_resume(Exchange exchange, void*& slot) { return filter_->on_resume(exchange, slot); }
  void on_complete(Exchange exchange, void*& slot, const gw_outcome& outcome) {
    filter_->on_complete(exchange, slot, outcome);
  }

  // Hand-over (handover.cc). The state's functions: home worker.
  gw_status export_stream(void* owner, std::string& blob);
  gw_status adopt_stream(gw_stream* stream, std::uint32_t format, std::string_view blob,
                         const gw_stream_events*& events, void*& owner);
  void stream_moved(void* owner);
  gw_status export_state(std::string& blob);
  gw_status import_state(std::uint32_t format, std::string_view blob);
  void state_moved();
  gw_status answer(std::uint32_t format, std::string_view question, std::string& out);
  bool ask_successor(std::string_view question, std::string& answer) const;
  // Home worker: waits, before it has started, until the other parts' connections and the
  // subscriber are there too, so that none that is served meets one that is not.
  void warm_up();
  void warmed(std::uint32_t index);

  Store& store() { return *store_; }
  // Home worker, memory store only.
  MemoryQueue& memory() { return memory_->queue(); }
  // The same: tells what the queue did.
  void announce() { measures_.admissions(memory_->announce()); }
  // Home worker: tells the streams of all workers.
  void tell_admitted(std::span<const std::string_view> users);
  void tell_closed(std::span<const std::string_view> users);

 private:
  static constexpr std::uint32_t kTickMs = 1000;
  static constexpr std::uint32_t kStartPatienceMs = 1000;
  static constexpr std::uint32_t kSilenceMs = 2'500;
  static constexpr std::uint32_t kTicksPerSettings = 5;

  void make_redis_store();
  void make_subscriber();
  void make_sentinel_watch();
  void expect_master(const RedisHost& master);
  void connect();
  void tick();
  void check_subscriber();
  void catch_up();
  void on_store_up(const std::string& version);
  void say_up(const std::string& version);
  void look_at_replicas();
  void bring_settings();
  void on_store_down(std::string_view reason);
  void say_down(std::string_view reason);
  // Streams are on hold while this worker's store is away, or the home worker's: it asks every second.
  void own_store(bool up);
  void home_store(bool up);
  void tell_streams();
  void on_message(std::string_view payload);
  void started(gw_status status = GW_OK, std::string_view message = {});
  void on_admitted(std::span<const std::string_view> users) override;
  void on_stream_closed(std::span<const std::string_view> users) override;
  bool home() const { return index_ == 0; }

  const Shared& shared_;
  Worker worker_;
  std::uint32_t index_;
  Measures measures_;
  std::shared_ptr<MemoryHome> memory_;
  // In this order: the store goes before those whom it calls, so it is made last and reset first.
  std::unique_ptr<Store> store_;
  RedisStore* redis_ = nullptr;  // the same, when it is Redis
  std::unique_ptr<StreamHub> hub_;
  std::unique_ptr<QueueFilter> filter_;
  std::unique_ptr<RedisConnection> subscriber_;
  std::unique_ptr<SentinelWatch> sentinel_watch_;
  std::uint64_t heard_ns_ = 0;  // when the subscriber last heard anything
  Timer scheduler_, patience_;
  Timer warming_;
  std::set<std::uint32_t> warm_;  // parts that are connected
  std::uint32_t ticks_ = 0;
  std::optional<std::uint64_t> told_version_;  // of another gateway's settings
  bool started_ = false, configured_ = false, replicas_looked_at_ = false;
  bool own_up_ = false, home_up_ = true;
  bool deaf_ = false;      // said that no events come
  std::string told_down_;  // the reason last logged; empty while the store is there
};

}  // namespace gw::queue
