// SPDX-License-Identifier: Apache-2.0
#include "redis_store.h"

#include <hiredis/hiredis.h>
#include <unistd.h>

#include <algorithm>

#include "timestamp.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kComplainEveryNs = 1000 * kMillisecond;
constexpr std::uint32_t kAgainCheckMs = 50;

// Errors after which another attempt, over a new connection, may find a server that serves.
bool means_other_server(std::string_view error) {
  for (std::string_view prefix :
       {"READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "NOAUTH"})
    if (error.starts_with(prefix)) return true;
  return false;
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "gateway";
}

}  // namespace

RedisStore::RedisStore(Context context, Worker worker, const Scripts& scripts, Measures& measures,
                       const RedisOptions& options, Events events)
    : context_(context),
      worker_(worker),
      scripts_(scripts),
      measures_(measures),
      options_(options),
      events_(std::move(events)),
      connection_(context, worker, options,
                  {[this] {
                     resend();
                     if (events_.on_up) events_.on_up(connection_.server_version());
                   },
                   [this](std::string_view reason) {
                     if (events_.on_down) events_.on_down(reason);
                   },
                   {}}) {}

RedisStore::~RedisStore() = default;

RedisStore::Call* RedisStore::make(Kind kind) {
  if (free_.empty()) {
    calls_.push_back(std::make_unique<Call>());
    calls_.back()->index = calls_.size() - 1;
    calls_.back()->store = this;
    free_.push_back(calls_.back().get());
  }
  Call* call = free_.back();
  free_.pop_back();
  call->kind = kind;
  call->whole = false;
  call->deadline_ns = context_.monotonic_ns() + options_.command_timeout_ms * kMillisecond;
  return call;
}

void RedisStore::release(Call* call) {
  call->users.clear();
  call->looked = nullptr;
  call->ticked = nullptr;
  call->told = nullptr;
  free_.push_back(call);
}

StoreError RedisStore::refuse(StoreError error) {
  measures_.store_error(error);
  return error;
}

StoreError RedisStore::admissible() {
  if (!connection_.ready()) return StoreError::kUnavailable;
  return calls_.size() - free_.size() >= options_.max_pending ? StoreError::kOverloaded
                                                              : StoreError::kNone;
}

StoreError RedisStore::submit(Operation operation, std::string_view user,
                              std::string_view operation_id, Done done, void* user_data) {
  if (StoreError error = admissible(); error != StoreError::kNone) return refuse(error);
  Call* call = make(Kind::kOperation);
  call->operation = operation;
  call->user.assign(user);
  call->id.assign(operation_id);
  call->done = done;
  call->user_data = user_data;
  if (send(call)) return StoreError::kNone;
  release(call);
  return refuse(StoreError::kUnavailable);
}

StoreError RedisStore::look(std::span<const std::string_view> users, Looked looked) {
  if (StoreError error = admissible(); error != StoreError::kNone) return refuse(error);
  Call* call = make(Kind::kLook);
  call->users.assign(users.begin(), users.end());
  call->looked = std::move(looked);
  if (send(call)) return StoreError::kNone;
  release(call);
  return refuse(StoreError::kUnavailable);
}

void RedisStore::away(std::span<const std::string_view> users) {
  if (admissible() != StoreError::kNone) return;  // the lease ends it
  Call* call = make(Kind::kAway);
  call->users.assign(users.begin(), users.end());
  if (!send(call)) release(call);
}

StoreError RedisStore::tick(Ticked ticked) {
  if (StoreError error = admissible(); error != StoreError::kNone) return error;
  Call* call = make(Kind::kLock);
  call->ticked = std::move(ticked);
  if (send(call)) return StoreError::kNone;
  release(call);
  return StoreError::kUnavailable;
}

void RedisStore::configure(bool only_if_missing, std::function<void(const InForce&)> told) {
  Call* call = make(Kind::kConfigure);
  call->only_if_missing = only_if_missing;
  call->told = std::move(told);
  if (!send(call)) release(call);
}

void RedisStore::build(Call& call) {
  std::vector<std::string_view> users(call.users.begin(), call.users.end());
  switch (call.kind) {
    case Kind::kOperation:
      return scripts_.operation(call.operation, call.user, call.id, call.whole, command_);
    case Kind::kLook:
      return scripts_.look(users, call.whole, command_);
    case Kind::kAway:
      return scripts_.away(users, call.whole, command_);
    case Kind::kLock:
      return scripts_.lock(iso_timestamp(context_.wall_ms()), host_name(), command_);
    case Kind::kTick:
      return scripts_.tick(call.whole, command_);
    case Kind::kConfigure:
      return scripts_.configure(call.only_if_missing, call.whole, command_);
  }
}

bool RedisStore::send(Call* call) {
  build(*call);
  call->sent_ns = context_.monotonic_ns();
  return connection_.send(
      command_,
      [](void* data, const redisReply* reply) {
        auto* answered = static_cast<Call*>(data);
        answered->store->settle(answered, reply);
      },
      call);
}

void RedisStore::settle(Call* call, const redisReply* reply) {
  if (reply == nullptr) return try_again(call);
  if (call->kind != Kind::kLock)
    measures_.script(script_of(*call), context_.monotonic_ns() - call->sent_ns);
  if (reply->type == REDIS_REPLY_ERROR) return handle_error(call, {reply->str, reply->len});
  deliver(call, reply);
}

void RedisStore::handle_error(Call* call, std::string_view error) {
  if (error.starts_with("NOSCRIPT") && !call->whole) {
    call->whole = true;
    if (!send(call)) try_again(call);
    return;
  }
  if (means_other_server(error)) {
    connection_.drop(error);
    return try_again(call);
  }
  std::uint64_t now = context_.monotonic_ns();
  if (now - complained_ns_ > kComplainEveryNs || complained_ns_ == 0) {
    complained_ns_ = now;
    context_.log(GW_WARN, "Redis refuses a script: " + std::string(error.substr(0, 300)));
  }
  fail(call, StoreError::kFailed);
}

void RedisStore::deliver(Call* call, const redisReply* reply) {
  switch (call->kind) {
    case Kind::kOperation: {
      auto answer = read_answer(call->operation, reply);
      if (!answer) return fail(call, StoreError::kFailed);
      Done done = call->done;
      void* user_data = call->user_data;
      release(call);
      return done(user_data, *answer);
    }
    case Kind::kLook: {
      auto places = read_places(reply, call->users.size());
      if (!places) return fail(call, StoreError::kFailed);
      Looked looked = std::move(call->looked);
      release(call);
      return looked(StoreError::kNone, *places);
    }
    case Kind::kLock:
      if (reply->type == REDIS_REPLY_STATUS) {
        call->kind = Kind::kTick;
        if (!send(call)) fail(call, StoreError::kUnavailable);
        return;
      } else {
        Ticked ticked = std::move(call->ticked);
        release(call);
        return ticked(StoreError::kNone, Census{});
      }
    case Kind::kTick: {
      auto census = read_census(reply);
      if (!census) return fail(call, StoreError::kFailed);
      Ticked ticked = std::move(call->ticked);
      release(call);
      return ticked(StoreError::kNone, *census);
    }
    case Kind::kConfigure: {
      auto in_force = read_in_force(reply);
      auto told = std::move(call->told);
      release(call);
      if (in_force && told) told(*in_force);
      return;
    }
    case Kind::kAway:
      return release(call);
  }
}

void RedisStore::fail(Call* call, StoreError error) {
  measures_.store_error(error);
  Done done = call->kind == Kind::kOperation ? call->done : nullptr;
  void* user_data = call->user_data;
  Looked looked = std::move(call->looked);
  Ticked ticked = std::move(call->ticked);
  release(call);
  if (done != nullptr) done(user_data, Answer{error, 0, {}});
  if (looked) looked(error, {});
  if (ticked) ticked(error, Census{});
}

// Only what someone waits for, and while there is time.
void RedisStore::try_again(Call* call) {
  bool waited_for = call->kind == Kind::kOperation || call->kind == Kind::kLook;
  if (!waited_for || context_.monotonic_ns() >= call->deadline_ns)
    return fail(call, StoreError::kUnavailable);
  again_.push_back(call);
  if (!again_timer_.active())
    again_timer_.start(
        worker_, kAgainCheckMs, [this] { expire_waiting(); }, kAgainCheckMs);
}

void RedisStore::resend() {
  for (Call* call : std::exchange(again_, {}))
    if (!send(call)) try_again(call);
}

void RedisStore::expire_waiting() {
  std::uint64_t now = context_.monotonic_ns();
  std::vector<Call*> late;
  std::erase_if(again_, [&](Call* call) {
    if (now < call->deadline_ns) return false;
    late.push_back(call);
    return true;
  });
  for (Call* call : late) fail(call, StoreError::kUnavailable);
  if (again_.empty()) again_timer_.cancel();
}

std::size_t RedisStore::script_of(const Call& call) const {
  switch (call.kind) {
    case Kind::kLook:
      return static_cast<std::size_t>(Script::kLook);
    case Kind::kAway:
      return static_cast<std::size_t>(Script::kAway);
    case Kind::kLock:
    case Kind::kTick:
      return static_cast<std::size_t>(Script::kTick);
    case Kind::kConfigure:
      return static_cast<std::size_t>(Script::kConfigure);
    case Kind::kOperation:
      break;
  }
  if (call.operation == Operation::kLineup) return static_cast<std::size_t>(Script::kLineup);
  bool looks = call.operation == Operation::kStatus || call.operation == Operation::kGate;
  return static_cast<std::size_t>(looks ? Script::kLook : Script::kLeave);
}

}  // namespace gw::queue
