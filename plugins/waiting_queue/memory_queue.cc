// SPDX-License-Identifier: Apache-2.0
#include "memory_queue.h"

#include <algorithm>

namespace gw::queue {

MemoryQueue::MemoryQueue(const Rules& rules, std::size_t max_users)
    : rules_(rules), max_users_(max_users) {}

void MemoryQueue::set_rules(const Rules& rules, std::size_t max_users) {
  const bool ends_move =
      rules.duration_ms != rules_.duration_ms || rules.max_stay_ms != rules_.max_stay_ms;
  rules_ = rules;
  max_users_ = max_users;
  if (!ends_move) return;
  renewals_.clear();
  for (const auto& [user, admitted] : admitted_) renewals_.insert({counted(admitted), user});
}

void MemoryQueue::look_at_clock(std::uint64_t wall_ms) {
  wall_ = wall_ms;
  clock_ = static_cast<std::int64_t>(wall_ms);
  if (!saved_) return;
  auto [clock, wall] = *saved_;
  clock_ =
      clock + (wall_ms > wall ? static_cast<std::int64_t>(std::min(wall_ms - wall, kMaxGapMs)) : 0);
}

void MemoryQueue::save_clock() {
  saved_ = {clock_, wall_};
}

// The time that counts as a user's last renewal: the longest stay ends it otherwise.
std::int64_t MemoryQueue::counted(const Admitted& admitted) const {
  if (rules_.max_stay_ms == 0) return admitted.renewed;
  return std::min(admitted.renewed, admitted.since + static_cast<std::int64_t>(rules_.max_stay_ms) -
                                        static_cast<std::int64_t>(rules_.duration_ms));
}

bool MemoryQueue::is_admitted(std::string_view user) const {
  auto found = admitted_.find(user);
  return found != admitted_.end() &&
         clock_ < counted(found->second) + static_cast<std::int64_t>(rules_.duration_ms);
}

void MemoryQueue::renew(std::string_view user) {
  auto found = admitted_.find(user);
  renewals_.erase({counted(found->second), found->first});
  found->second.renewed = clock_;
  renewals_.insert({counted(found->second), found->first});
}

void MemoryQueue::admit(const std::string& user) {
  std::string name = user;  // may be the key that drop_waiting destroys
  drop_waiting(name);
  auto entry = admitted_.emplace(name, Admitted{clock_, clock_}).first;
  renewals_.insert({counted(entry->second), entry->first});
  admitted_news_.push_back(std::move(name));
}

void MemoryQueue::drop_admitted(std::string_view user) {
  auto found = admitted_.find(user);
  if (found == admitted_.end()) return;
  renewals_.erase({counted(found->second), found->first});
  admitted_.erase(found);
}

void MemoryQueue::drop_waiting(std::string_view user) {
  auto found = waiting_.find(user);
  if (found == waiting_.end()) return;
  set_lease(*found, std::nullopt);
  line_.erase(found->second.ticket);
  eligible_.erase(found->second.ticket);
  waiting_.erase(found);
}

void MemoryQueue::set_lease(WaitingEntry& entry, std::optional<std::int64_t> end) {
  auto& lease = entry.second.lease;
  if (lease) leases_.erase({*lease, entry.first});
  lease = end;
  if (lease) leases_.insert({*lease, entry.first});
}

void MemoryQueue::settle_lease(std::string_view user) {
  auto found = waiting_.find(user);
  if (found != waiting_.end() && found->second.lease && *found->second.lease <= clock_)
    drop_waiting(user);
}

void MemoryQueue::settle(std::string_view user) {
  if (!is_admitted(user)) {
    drop_admitted(user);
    settle_lease(user);
  }
}

std::int64_t MemoryQueue::first_lease_end() const {
  return clock_ + static_cast<std::int64_t>(rules_.presence_ms + rules_.presence_ms / 8);
}

void MemoryQueue::hear(std::string_view user) {
  auto found = waiting_.find(user);
  if (found == waiting_.end()) return;
  const auto presence = static_cast<std::int64_t>(rules_.presence_ms);
  if (found->second.lease && *found->second.lease < first_lease_end())
    set_lease(*found, clock_ + presence + 2 * (presence / 8));
  if (std::exchange(found->second.away, false)) eligible_.emplace(found->second.ticket, &*found);
}

std::size_t MemoryQueue::expire(std::size_t limit) {
  std::size_t count = 0;
  auto latest = clock_ - static_cast<std::int64_t>(rules_.duration_ms);
  while (count < limit && !renewals_.empty() && renewals_.begin()->first <= latest) {
    drop_admitted(std::string(renewals_.begin()->second));
    ++count;
  }
  return count;
}

bool MemoryQueue::promote(std::size_t limit) {
  std::size_t count = 0;
  while (count < limit && admitted_.size() < rules_.capacity) {
    if (eligible_.empty()) return true;
    auto& entry = *eligible_.begin()->second;
    if (entry.second.lease && *entry.second.lease <= clock_) {
      drop_waiting(std::string(entry.first));
    } else {
      admit(entry.first);
      ++count;
    }
  }
  return false;
}

void MemoryQueue::enqueue(const std::string& user) {
  auto found = waiting_.find(user);
  if (found != waiting_.end() && rules_.keep_place) return;
  drop_waiting(user);
  std::uint64_t highest = line_.empty() ? 0 : line_.rbegin()->first;
  counter_ = std::max(counter_, highest) + 1;
  auto& entry = *waiting_.emplace(user, Waiting{counter_, std::nullopt, false}).first;
  line_.insert({counter_, &entry});
  eligible_.emplace(counter_, &entry);
  if (rules_.presence_ms > 0) set_lease(entry, first_lease_end());
}

std::uint8_t MemoryQueue::line_up(const std::string& user) {
  settle(user);
  if (is_admitted(user)) return kAlreadyAdmitted;
  hear(user);
  expire(kChunk);
  bool exhausted = promote(kChunk);
  if (is_admitted(user)) return kAdmittedNow;
  if (exhausted && admitted_.size() < rules_.capacity) {
    admit(user);
    return kAdmittedNow;
  }
  enqueue(user);
  return kQueued;
}

std::uint8_t MemoryQueue::leave(Operation operation, std::string_view user) {
  settle(user);
  if (operation == Operation::kLeaveWaiting) {
    bool waits = waiting_.find(user) != waiting_.end();
    drop_waiting(user);
    return waits ? 1 : 0;
  }
  if (!is_admitted(user)) return 0;
  drop_admitted(user);
  expire(kChunk);
  promote(kChunk);
  return 1;
}

Place MemoryQueue::place_of(std::string_view user, bool renewing) {
  Place place;
  if (is_admitted(user)) {
    if (renewing) renew(user);
    place.standing = Standing::kAdmitted;
  } else {
    settle_lease(user);
    if (auto found = waiting_.find(user); found != waiting_.end()) {
      place.standing = Standing::kWaiting;
      place.position = line_.order_of_key(found->second.ticket) + 1;
      hear(user);
    }
  }
  place.total = waiting_.size();
  return place;
}

std::optional<std::uint8_t> MemoryQueue::remembered(const std::string& operation) {
  while (!remembered_.empty() && remembered_.front().first + kRememberMs <= wall_) {
    outcomes_.erase(remembered_.front().second);
    remembered_.pop_front();
  }
  auto found = outcomes_.find(operation);
  if (found == outcomes_.end()) return std::nullopt;
  return found->second;
}

void MemoryQueue::remember(std::string operation, std::uint8_t outcome) {
  outcomes_.emplace(operation, outcome);
  remembered_.emplace_back(wall_, std::move(operation));
  if (remembered_.size() > max_users_) {
    outcomes_.erase(remembered_.front().second);
    remembered_.pop_front();
  }
}

Answer MemoryQueue::run(Operation operation, std::string_view user, std::string_view operation_id,
                        std::uint64_t wall_ms) {
  if (elsewhere_)
    if (auto answer = run_elsewhere(operation, user, operation_id, wall_ms)) return *answer;
  look_at_clock(wall_ms);
  Answer answer;
  if (operation == Operation::kStatus || operation == Operation::kGate) {
    answer.place = place_of(user, operation == Operation::kGate);
    return answer;
  }
  std::string key = std::to_string(user.size()) + ':' + std::to_string(static_cast<int>(operation));
  key.append(user).append(operation_id);
  if (auto earlier = remembered(key)) {
    answer.outcome = *earlier;
    return answer;
  }
  save_clock();
  if (operation == Operation::kLineup) {
    if (waiting_.size() + admitted_.size() >= max_users_ && !waiting_.contains(user) &&
        !admitted_.contains(user)) {
      answer.error = StoreError::kOverloaded;
      return answer;
    }
    answer.outcome = line_up(std::string(user));
  } else {
    answer.outcome = leave(operation, user);
  }
  remember(std::move(key), answer.outcome);
  return answer;
}

std::vector<Place> MemoryQueue::look(std::span<const std::string_view> users,
                                     std::uint64_t wall_ms) {
  if (elsewhere_)
    if (auto places = look_elsewhere(users, wall_ms)) return *places;
  look_at_clock(wall_ms);
  for (std::string_view user : users) settle_lease(user);
  std::vector<Place> places;
  for (std::string_view user : users) places.push_back(place_of(user, false));
  return places;
}

void MemoryQueue::away(std::span<const std::string_view> users, std::uint64_t wall_ms) {
  if (elsewhere_ && away_elsewhere(users, wall_ms)) return;
  look_at_clock(wall_ms);
  for (std::string_view user : users) {
    auto found = waiting_.find(user);
    if (found == waiting_.end() || !found->second.lease) continue;
    if (rules_.grace_ms == 0 || *found->second.lease <= clock_) {
      drop_waiting(user);
      continue;
    }
    set_lease(*found,
              std::min(*found->second.lease, clock_ + static_cast<std::int64_t>(rules_.grace_ms)));
    found->second.away = true;
    eligible_.erase(found->second.ticket);
    closed_news_.push_back(found->first);
  }
}

Census MemoryQueue::tick(std::uint64_t wall_ms) {
  if (elsewhere_) return {};  // the scheduler is where the truth is
  look_at_clock(wall_ms);
  save_clock();
  Census census;
  census.expired = expire(kTickLimit);
  while (census.dropped < kTickLimit && !leases_.empty() && leases_.begin()->first <= clock_) {
    drop_waiting(std::string(leases_.begin()->second));
    ++census.dropped;
  }
  std::size_t before = admitted_news_.size();
  promote(kTickLimit);
  census.promoted = admitted_news_.size() - before;
  census.waiting = waiting_.size();
  census.admitted = admitted_.size();
  census.capacity = rules_.capacity;
  census.clock_ms = static_cast<std::uint64_t>(clock_);
  return census;
}

}  // namespace gw::queue
