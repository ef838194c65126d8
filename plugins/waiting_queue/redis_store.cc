// SPDX-License-Identifier: Apache-2.0
#include "redis_store.h"

#include <hiredis/hiredis.h>
#include <unistd.h>

#include <algorithm>

#include "timestamp.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint32_t kAgainCheckMs = 50;

constexpr std::size_t kMaxLineups = 64;  // in one script
constexpr std::uint32_t kProbeMs = 500;
constexpr std::uint32_t kLockedOutTicks = 10;
constexpr std::uint64_t kNever = UINT64_MAX;

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
      connection_(
          context, worker, options,
          {[this] { probe(); }, [this](std::string_view reason) { down(reason); }, {}, {}}) {
  turn_ =
      Ticket(tables.turn->create(
                 worker_.raw(), [](void* self) { static_cast<RedisStore*>(self)->flush(); }, this),
             tables.turn->cancel);
}

RedisStore::~RedisStore() = default;

RedisStore::Call* RedisStore::make(Kind kind) {
  if (free_.empty()) {
    calls_.push_back(std::make_unique<Call>());
    calls_.back()->store = this;
    free_.push_back(calls_.back().get());
  }
  Call* call = free_.back();
  free_.pop_back();
  call->kind = kind;
  call->whole = false;
  call->looking = Looking::kWhole;
  call->deadline_ns = context_.monotonic_ns() + options_.command_timeout_ms * kMillisecond;
  return call;
}

RedisStore::Item& RedisStore::add(Call& call, std::string_view user) {
  if (call.size == call.items.size()) call.items.emplace_back();
  Item& item = call.items[call.size++];
  item.user.assign(user);
  item.done = nullptr;
  call.renew += '0';
  ++pending_;
  return item;
}

void RedisStore::release(Call* call) {
  pending_ -= call->size;
  call->size = 0;
  call->renew.clear();
  call->looked = nullptr;
  call->ticked = nullptr;
  call->told = nullptr;
  call->told_text = nullptr;
  free_.push_back(call);
}

StoreError RedisStore::refuse(StoreError error) {
  measures_.store_error(error);
  return error;
}

StoreError RedisStore::admissible() {
  if (!proven_) return StoreError::kUnavailable;
  return pending_ >= options_.max_pending || connection_.full() ? StoreError::kOverloaded
                                                                : StoreError::kNone;
}

StoreError RedisStore::submit(Operation operation, std::string_view user,
                              std::string_view operation_id, Done done, void* user_data) {
  if (StoreError error = admissible(); error != StoreError::kNone) return refuse(error);
  const bool lineup = operation == Operation::kLineup;
  const bool looks = operation == Operation::kStatus || operation == Operation::kGate;
  Call* alone = nullptr;
  Call*& batch = lineup ? lineups_ : looks ? looks_ : alone;
  if (batch == nullptr) batch = make(lineup ? Kind::kLineup : looks ? Kind::kLook : Kind::kLeave);
  Item& item = add(*batch, user);
  item.id.assign(operation_id);
  item.done = done;
  item.user_data = user_data;
  if (operation == Operation::kGate) batch->renew.back() = '1';
  batch->operation = operation;
  if (alone != nullptr || batch->size >= (lineup ? kMaxLineups : kMaxBatch)) {
    flush(batch);
  } else {
    tables.turn->arm(turn_.get());
  }
  return StoreError::kNone;
}

void RedisStore::flush() {
  flush(lineups_);
  flush(looks_);
}

void RedisStore::flush(Call*& batch) {
  Call* call = std::exchange(batch, nullptr);
  if (call != nullptr && !send(call)) try_again(call);
}

StoreError RedisStore::look(std::span<const std::string_view> users, Looking looking,
                            Looked looked) {
  if (StoreError error = admissible(); error != StoreError::kNone) return refuse(error);
  Call* call = make(Kind::kLook);
  for (std::string_view user : users) add(*call, user);
  call->looking = looking;
  call->looked = std::move(looked);
  if (send(call)) return StoreError::kNone;
  release(call);
  return refuse(StoreError::kUnavailable);
}

// What is said while the store is away is said when it is back: a lease would let those in who have
// gone. Half of what may be pending is left for those who come.
void RedisStore::away(std::span<const std::string_view> users) {
  while (!users.empty() && pending_ < options_.max_pending / 2) {
    Call* call = make(Kind::kAway);
    call->deadline_ns = kNever;
    auto batch = users.first(std::min(users.size(), kMaxBatch));
    users = users.subspan(batch.size());
    for (std::string_view user : batch) add(*call, user);
    if (!proven_ || !send(call)) try_again(call);
  }
}

StoreError RedisStore::tick(Ticked ticked) {
  if (StoreError error = admissible(); error != StoreError::kNone) return error;
  if (locked_out_ >= kLockedOutTicks) unlock();
  Call* call = make(Kind::kLock);
  call->ticked = std::move(ticked);
  if (send(call)) return StoreError::kNone;
  release(call);
  return StoreError::kUnavailable;
}

// A lock that never ends, left by another program, would stop the queue. Shortening one that is held
// rightly does no harm.
void RedisStore::unlock() {
  locked_out_ = 0;
  Call* call = make(Kind::kUnlock);
  if (!send(call)) release(call);
}

void RedisStore::configure(bool running, std::function<void(const InForce&)> told) {
  Call* call = make(Kind::kConfigure);
  call->running = running;
  call->told = std::move(told);
  if (!send(call)) release(call);
}

void RedisStore::replication(std::function<void(std::string_view)> told) {
  Call* call = make(Kind::kReplication);
  call->told_text = std::move(told);
  if (!send(call)) release(call);
}

void RedisStore::build(Call& call) {
  users_.clear();
  if (call.kind == Kind::kLook || call.kind == Kind::kAway)
    for (std::size_t i = 0; i < call.size; ++i) users_.push_back(call.items[i].user);
  switch (call.kind) {
    case Kind::kLineup: {
      asked_.clear();
      for (std::size_t i = 0; i < call.size; ++i)
        asked_.push_back({call.items[i].user, call.items[i].id});
      return scripts_.lineup(asked_, call.whole, command_);
    }
    case Kind::kLeave:
      return scripts_.leave(call.operation, {call.items[0].user, call.items[0].id}, call.whole,
                            command_);
    case Kind::kLook:
      return scripts_.look(users_,
                           call.looking == Looking::kRanks ? std::string_view() : call.renew,
                           call.whole, command_);
    case Kind::kAway:
      return scripts_.away(users_, call.whole, command_);
    case Kind::kLock:
      return scripts_.lock(iso_timestamp(context_.wall_ms()), host_name(), command_);
    case Kind::kUnlock:
      return scripts_.shorten_lock(command_);
    case Kind::kTick:
      return scripts_.tick(call.whole, command_);
    case Kind::kConfigure:
      return scripts_.configure(call.running, call.whole, command_);
    case Kind::kProbe:
      return scripts_.probe(call.whole, command_);
    case Kind::kReplication:
      command_.clear();
      for (const char* word : {"INFO", "replication"}) command_.add(word);
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

// Only what someone waits for, and while there is time; and who is away.
void RedisStore::try_again(Call* call) {
  const bool waited_for = call->kind == Kind::kLineup || call->kind == Kind::kLook ||
                          call->kind == Kind::kLeave || call->kind == Kind::kAway;
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

void RedisStore::probe() {
  Call* call = make(Kind::kProbe);
  if (!send(call)) release(call);
}

void RedisStore::on_proven() {
  probe_timer_.cancel();
  connection_.proven();
  if (std::exchange(proven_, true)) return;
  resend();
  if (events_.on_up) events_.on_up(connection_.server_version());
}

// The server answers, but takes no changes.
void RedisStore::hold(std::string_view reason) {
  if (!probe_timer_.active())
    probe_timer_.start(
        worker_, kProbeMs, [this] { probe(); }, kProbeMs);
  if (proven_ || reason != held_for_) {
    held_for_ = reason;
    proven_ = false;
    if (events_.on_down) events_.on_down(held_for_);
  }
}

void RedisStore::down(std::string_view reason) {
  probe_timer_.cancel();
  proven_ = false;
  held_for_.clear();
  if (events_.on_down) events_.on_down(reason);
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

}  // namespace gw::queue
