// SPDX-License-Identifier: Apache-2.0
//
// RedisStore: what becomes of a reply, and of an error.
#include <hiredis/hiredis.h>

#include "redis_store.h"

namespace gw::queue {
namespace {

constexpr std::uint64_t kComplainEveryNs = 1'000'000'000;
// A right that is missing inside a script, which has no code of its own: Redis 6 to 7.0, and later.
constexpr std::string_view kScriptMayNot = "The user executing the script can't";
constexpr std::string_view kScriptAclFailure = "ACL failure in script";

// Redis 6 wraps the code of an error inside a script into another error.
bool has_code(std::string_view error, std::initializer_list<std::string_view> codes) {
  for (std::string_view code : codes)
    if (error.find(code) != std::string_view::npos) return true;
  return false;
}

// Errors after which another attempt, over a new connection, may find a server that serves.
bool means_other_server(std::string_view error) {
  return has_code(error, {"READONLY", "LOADING", "MASTERDOWN", "NOAUTH"});
}

// Errors that every change meets until somebody puts the server right. While a slot of a cluster
// moves, some of our keys are missing on either side (TRYAGAIN, ASK): MOVED ends it.
bool means_all_changes(std::string_view error) {
  return has_code(error,
                  {"OOM ", "NOREPLICAS", "MISCONF", "BUSY ", "WRONGTYPE", "NOPERM", kScriptMayNot,
                   kScriptAclFailure, "CLUSTERDOWN", "TRYAGAIN", "ASK ", "CROSSSLOT"});
}

}  // namespace

void RedisStore::settle(Call* call, const redisReply* reply) {
  if (reply == nullptr) return try_again(call);
  if (call->kind == Kind::kReplication) return deliver_text(call, reply);
  if (call->kind != Kind::kLock && call->kind != Kind::kUnlock)
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
  if (error.starts_with("MOVED ")) {
    proven_ = false;
    connection_.follow(error);
    return try_again(call);
  }
  if (means_other_server(error)) {
    connection_.drop(error);
    return try_again(call);
  }
  if (means_all_changes(error)) {
    hold(error.find("CROSSSLOT") == error.npos ? error : kNeedsHashTag);
    return fail(call, StoreError::kUnavailable);
  }
  complain(error);
  if (call->kind == Kind::kProbe) hold(error);
  fail(call, StoreError::kFailed);
}

void RedisStore::complain(std::string_view error) {
  std::uint64_t now = context_.monotonic_ns();
  if (now - complained_ns_ <= kComplainEveryNs && complained_ns_ != 0) return;
  complained_ns_ = now;
  context_.log(GW_WARN, "Redis refuses a script: " + std::string(error.substr(0, 300)));
}

void RedisStore::answer(Call* call, std::size_t item, const Answer& answer) {
  if (Done done = call->items[item].done) done(call->items[item].user_data, answer);
}

void RedisStore::deliver_lineups(Call* call, const redisReply* reply) {
  auto outcomes = read_lineups(reply, call->size);
  if (!outcomes) return fail(call, StoreError::kFailed);
  for (std::size_t i = 0; i < call->size; ++i)
    answer(call, i, {StoreError::kNone, (*outcomes)[i], {}});
  release(call);
}

void RedisStore::deliver_places(Call* call, const redisReply* reply) {
  auto places = read_places(reply, call->size);
  if (!places) return fail(call, StoreError::kFailed);
  for (std::size_t i = 0; i < call->size; ++i)
    answer(call, i, {StoreError::kNone, 0, (*places)[i]});
  Looked looked = std::move(call->looked);
  release(call);
  if (looked) looked(StoreError::kNone, *places);
}

// A server may forbid the question: nothing depends on the answer.
void RedisStore::deliver_text(Call* call, const redisReply* reply) {
  auto told = std::move(call->told_text);
  release(call);
  if (reply->type != REDIS_REPLY_ERROR) told(text_of(reply));
}

void RedisStore::deliver(Call* call, const redisReply* reply) {
  switch (call->kind) {
    case Kind::kLineup:
      return deliver_lineups(call, reply);
    case Kind::kLook:
      return deliver_places(call, reply);
    case Kind::kLeave: {
      auto left = read_leave(reply);
      if (!left) return fail(call, StoreError::kFailed);
      answer(call, 0, {StoreError::kNone, static_cast<std::uint8_t>(*left), {}});
      return release(call);
    }
    case Kind::kProbe:
      release(call);
      return on_proven();
    case Kind::kLock:
      if (reply->type == REDIS_REPLY_STATUS) {
        locked_out_ = 0;
        call->kind = Kind::kTick;
        if (!send(call)) fail(call, StoreError::kUnavailable);
        return;
      } else {
        ++locked_out_;
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
    case Kind::kUnlock:
    case Kind::kReplication:
      return release(call);
  }
}

void RedisStore::fail(Call* call, StoreError error) {
  measures_.store_error(error);
  for (std::size_t i = 0; i < call->size; ++i) answer(call, i, {error, 0, {}});
  Looked looked = std::move(call->looked);
  Ticked ticked = std::move(call->ticked);
  release(call);
  if (looked) looked(error, {});
  if (ticked) ticked(error, Census{});
}

std::size_t RedisStore::script_of(const Call& call) {
  // In the order of Kind.
  constexpr Script kScriptsOf[] = {
      Script::kLineup, Script::kLook, Script::kLeave,     Script::kAway,  Script::kTick,
      Script::kTick,   Script::kTick, Script::kConfigure, Script::kProbe, Script::kProbe};
  return static_cast<std::size_t>(kScriptsOf[static_cast<std::size_t>(call.kind)]);
}

}  // namespace gw::queue
