// SPDX-License-Identifier: Apache-2.0
#include "memory_home.h"

#include <map>

#include "queue_part.h"

namespace gw::queue {

std::shared_ptr<MemoryHome> MemoryHome::of(const std::string& instance) {
  static std::map<std::string, std::weak_ptr<MemoryHome>> homes;
  std::weak_ptr<MemoryHome>& known = homes[instance];
  std::shared_ptr<MemoryHome> home = known.lock();
  if (home == nullptr) {
    home = std::make_shared<MemoryHome>();
    known = home;
  }
  return home;
}

void MemoryHome::join(QueuePart& member, const Rules& rules, std::size_t max_users) {
  members_.push_back({&member, rules, max_users});
  queue_.set_rules(rules, max_users);
}

void MemoryHome::leave(QueuePart& member) {
  std::erase_if(members_, [&member](const Member& each) { return each.part == &member; });
  if (!members_.empty()) queue_.set_rules(members_.back().rules, members_.back().max_users);
}

void MemoryHome::move_out() {
  queue_.clear();
  queue_.be_elsewhere([this](std::string_view question, std::string& answer) {
    return !members_.empty() && members_.back().part->ask_successor(question, answer);
  });
}

std::size_t MemoryHome::announce() {
  const std::vector<std::string> admitted = queue_.take_admitted(), closed = queue_.take_closed();
  const std::vector<std::string_view> let_in(admitted.begin(), admitted.end());
  const std::vector<std::string_view> away(closed.begin(), closed.end());
  for (const Member& member : members_) {
    if (!let_in.empty()) member.part->tell_admitted(let_in);
    if (!away.empty()) member.part->tell_closed(away);
  }
  return admitted.size();
}

}  // namespace gw::queue
