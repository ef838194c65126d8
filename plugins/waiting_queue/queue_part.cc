// SPDX-License-Identifier: Apache-2.0
#include "queue_part.h"

#include "answers.h"
#include "memory_store.h"

namespace gw::queue {

Shared::Shared(Context given_context, Settings given)
    : context(given_context),
      settings(std::move(given)),
      scripts(settings.rules, settings.key_prefix) {}

QueuePart::QueuePart(const Shared& shared, Worker worker)
    : shared_(shared), worker_(worker), index_(worker.index()), measures_(worker) {
  const Settings& settings = shared_.settings;
  if (settings.in_memory) {
    if (home()) {
      memory_ = MemoryHome::of(std::string(shared_.context.name()));
      memory_->join(*this, settings.rules, settings.max_users);
    }
    store_ = std::make_unique<MemoryStore>(shared_.context, worker_, measures_,
                                           settings.redis.max_pending);
  } else {
    make_redis_store();
    if (home()) make_subscriber();
    if (home() && !settings.redis.address.master.empty()) make_sentinel_watch();
  }
  hub_ = std::make_unique<StreamHub>(shared_.context, worker_, settings, *store_, shared_.pace,
                                     measures_);
  filter_ = std::make_unique<QueueFilter>(shared_.context, worker_, settings, *store_, *hub_,
                                          shared_.pace, measures_);
}

// Connections first: what they still have to say must find nobody.
QueuePart::~QueuePart() {
  scheduler_.cancel();
  patience_.cancel();
  sentinel_watch_.reset();
  subscriber_.reset();
  redis_ = nullptr;
  store_.reset();
  if (memory_) memory_->leave(*this);
}

void QueuePart::make_redis_store() {
  RedisStore::Events events;
  events.on_up = [this](const std::string& version) { on_store_up(version); };
  events.on_down = [this](std::string_view reason) { on_store_down(reason); };
  auto store = std::make_unique<RedisStore>(shared_.context, worker_, shared_.scripts, measures_,
                                            shared_.settings.redis, std::move(events));
  redis_ = store.get();
  store_ = std::move(store);
}

void QueuePart::make_subscriber() {
  RedisConnection::Events events;
  events.on_ready = [this] {
    heard_ns_ = shared_.context.monotonic_ns();
    subscriber_->subscribe(shared_.scripts.channel());
  };
  events.on_message = [this](std::string_view payload) { on_message(payload); };
  events.on_subscribed = [this] {
    deaf_ = false;
    catch_up();
  };
  events.on_lost = [this](std::string_view reason) {
    if (std::exchange(deaf_, true)) return;
    shared_.context.log(GW_INFO, "no events are heard from Redis: " + std::string(reason));
  };
  subscriber_ = std::make_unique<RedisConnection>(shared_.context, worker_, shared_.settings.redis,
                                                  std::move(events));
}

void QueuePart::make_sentinel_watch() {
  auto named = [this](const RedisHost& master) {
    subscriber_->expect_master(master);
    for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
      shared_.context.post<QueuePart>(i, [master](QueuePart& part) { part.expect_master(master); });
  };
  sentinel_watch_ = std::make_unique<SentinelWatch>(shared_.context, worker_,
                                                    shared_.settings.redis, std::move(named));
}

void QueuePart::expect_master(const RedisHost& master) {
  if (redis_ != nullptr) redis_->expect_master(master);
}

void QueuePart::connect() {
  if (redis_ != nullptr) redis_->start();
}

void QueuePart::start() {
  for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
    shared_.context.post<QueuePart>(i, [](QueuePart& part) { part.connect(); });
  if (subscriber_) subscriber_->start();
  if (sentinel_watch_) sentinel_watch_->start();
  scheduler_.start(
      worker_, kTickMs, [this] { tick(); }, kTickMs);
  if (redis_ == nullptr) {
    measures_.connected(true);
    return started();
  }
  patience_.start(worker_, kStartPatienceMs, [this] { started(); });
}

void QueuePart::started(gw_status status, std::string_view message) {
  if (std::exchange(started_, true)) return;
  patience_.cancel();
  shared_.context.started(status, message);
}

void QueuePart::tick() {
  shared_.pace.turn(shared_.context.monotonic_ns());
  if (redis_ != nullptr && redis_->available() &&
      (!configured_ || ++ticks_ % kTicksPerSettings == 0))
    bring_settings();
  store_->tick([this](StoreError error, const Census& census) {
    if (error != StoreError::kNone) return;
    check_subscriber();
    if (census.clock_ms == 0) return;
    measures_.standing(census);
    measures_.work(census);
  });
}

// Who was admitted while nobody listened is found now, and not only when the wheel comes by.
void QueuePart::catch_up() {
  for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
    shared_.context.post<QueuePart>(i, [](QueuePart& part) { part.hub_->catch_up(); });
}

// Some gateway's tick says something every second: when others are served and we hear nothing, our
// connection is dead without knowing it.
void QueuePart::check_subscriber() {
  if (!subscriber_ || !subscriber_->ready()) return;
  if (shared_.context.monotonic_ns() - heard_ns_ > kSilenceMs * std::uint64_t{1'000'000})
    subscriber_->drop("no events are heard any more");
}

void QueuePart::on_store_up(const std::string& version) {
  own_store(true);
  if (home()) say_up(version);
}

void QueuePart::say_up(const std::string& version) {
  const Context& context = shared_.context;
  std::string details = "{\"version\":";
  append_json_string(details, version.empty() ? "unknown" : version);
  context.health("redis", GW_UP, details + "}");
  context.log(GW_INFO, "connected to Redis " + version);
  told_down_.clear();
  measures_.connected(true);
  bring_settings();
  if (!shared_.settings.redis.address.master.empty()) look_at_replicas();
  warm_up();
}

// Sentinels make another server the master, and the one before goes on taking what will be lost until
// it hears of it: only its own setting prevents that. Said once.
void QueuePart::look_at_replicas() {
  if (replicas_looked_at_) return;
  redis_->replication([this](std::string_view info) {
    replicas_looked_at_ = true;
    // The line is there where the setting is.
    if (info.find("min_slaves_good_slaves:") != info.npos) return;
    shared_.context.log(
        GW_WARN,
        "the master that the sentinels name has min-replicas-to-write 0: cut off from "
        "its replicas it goes on taking line-ups that a fail-over loses");
  });
}

// A gateway that starts brings its settings; one that comes back does not put them over another's.
// Asked again now and then, because the store may have refused them, or lost them.
void QueuePart::bring_settings() {
  redis_->configure(configured_, [this](const InForce& in_force) {
    const Rules& mine = shared_.settings.rules;
    const bool mine_rule =
        in_force.capacity == mine.capacity && in_force.duration_ms == mine.duration_ms;
    if (!mine_rule && in_force.version != told_version_) {
      shared_.context.log(GW_WARN, "other settings are in force in the store: capacity " +
                                       std::to_string(in_force.capacity) + ", duration " +
                                       std::to_string(in_force.duration_ms / 1000) +
                                       " s, version " + std::to_string(in_force.version));
      told_version_ = in_force.version;
    }
    configured_ = true;
  });
}

void QueuePart::on_store_down(std::string_view reason) {
  own_store(false);
  if (home()) say_down(reason);
}

void QueuePart::own_store(bool up) {
  own_up_ = up;
  heard_ns_ = shared_.context.monotonic_ns();  // while nobody ticked there was nothing to hear
  tell_streams();
  if (!home()) return;
  for (std::uint32_t i = 1; i < shared_.context.worker_count(); ++i)
    shared_.context.post<QueuePart>(i, [up](QueuePart& part) { part.home_store(up); });
}

void QueuePart::home_store(bool up) {
  home_up_ = up;
  tell_streams();
}

void QueuePart::tell_streams() {
  own_up_&& home_up_ ? hub_->store_up() : hub_->store_down();
}

void QueuePart::say_down(std::string_view reason) {
  std::string details = "{\"error\":";
  append_json_string(details, reason);
  shared_.context.health("redis", GW_DOWN, details + "}");
  if (told_down_ != reason) {
    told_down_ = reason;
    shared_.context.log(GW_WARN,
                        "Redis does not serve: " + told_down_ + "; trying again and again");
  }
  measures_.connected(false);
  if (reason == kNeedsHashTag) return started(GW_ERROR, reason);
  started();
}

void QueuePart::on_message(std::string_view payload) {
  heard_ns_ = shared_.context.monotonic_ns();
  auto notice = read_notice(payload);
  if (!notice) {
    shared_.context.log(GW_DEBUG, "a message on our channel that is not ours");
    return;
  }
  if (notice->letter == 'A') on_admitted(notice->users);
  if (notice->letter == 'C') on_stream_closed(notice->users);
  if (notice->letter == 'S') measures_.standing(notice->census);
}

void QueuePart::on_admitted(std::span<const std::string_view> users) {
  measures_.admissions(users.size());
  tell_admitted(users);
}

void QueuePart::on_stream_closed(std::span<const std::string_view> users) {
  tell_closed(users);
}

void QueuePart::tell_admitted(std::span<const std::string_view> users) {
  shared_.pace.admitted(users.size(), shared_.context.monotonic_ns());
  auto names = std::make_shared<const std::vector<std::string>>(users.begin(), users.end());
  for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
    shared_.context.post<QueuePart>(i, [names](QueuePart& part) { part.hub_->admitted(*names); });
}

void QueuePart::tell_closed(std::span<const std::string_view> users) {
  auto names = std::make_shared<const std::vector<std::string>>(users.begin(), users.end());
  for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
    shared_.context.post<QueuePart>(
        i, [names](QueuePart& part) { part.hub_->closed_elsewhere(*names); });
}

}  // namespace gw::queue
