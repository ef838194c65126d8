// SPDX-License-Identifier: Apache-2.0
//
// The rules of the queue in the memory of one process: what lua/ does, in C++. For development and
// for a single gateway; what it holds dies with the process.
//
// One thread. Every operation takes the wall clock and reads the queue clock from it: a gap counts
// 2 s at most and never backwards; those operations save it whose scripts do (lua/common.lua). All
// operations are O(log n) in those waiting and admitted.
#pragma once

#include <cstdint>
#include <deque>
#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store.h"

namespace gw::queue {

class MemoryQueue {
 public:
  // `max_users`: waiting and admitted together, above which line-ups are refused as kOverloaded.
  MemoryQueue(const Rules& rules, std::size_t max_users);
  // Other settings from now on; who is admitted above a smaller capacity stays so.
  void set_rules(const Rules& rules, std::size_t max_users);

  Answer run(Operation operation, std::string_view user, std::string_view operation_id,
             std::uint64_t wall_ms);
  std::vector<Place> look(std::span<const std::string_view> users, std::uint64_t wall_ms);
  void away(std::span<const std::string_view> users, std::uint64_t wall_ms);
  Census tick(std::uint64_t wall_ms);

  // Hand-over to the next build (memory_state.cc). `elsewhere` asks where the state is now; false:
  // there is nobody to ask, and what is here counts.
  using Elsewhere = std::function<bool(std::string_view question, std::string& answer)>;
  void export_state(std::string& blob) const;
  // False: not what export_state wrote.
  bool import_state(std::string_view blob);
  void clear();
  void be_elsewhere(Elsewhere elsewhere) { elsewhere_ = std::move(elsewhere); }
  // False: no such question.
  bool answer_question(std::string_view question, std::string& text);

  // Those admitted, and those marked away, since last asked: what the scripts publish.
  std::vector<std::string> take_admitted() { return std::exchange(admitted_news_, {}); }
  std::vector<std::string> take_closed() { return std::exchange(closed_news_, {}); }

 private:
  static constexpr std::size_t kChunk = 100;      // CHUNK of the scripts
  static constexpr std::size_t kTickLimit = 500;  // expiries, drops, promotions of one tick
  static constexpr std::uint64_t kMaxGapMs = 2000;
  static constexpr std::uint64_t kRememberMs = 60'000;

  struct Waiting {
    std::uint64_t ticket = 0;
    std::optional<std::int64_t> lease;
    bool away = false;
  };
  struct Admitted {
    std::int64_t renewed = 0;
    std::int64_t since = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  template <class Value>
  using ByUser = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  using WaitingEntry = ByUser<Waiting>::value_type;
  // Tickets with their holders; knows ranks.
  using Line =
      __gnu_pbds::tree<std::uint64_t, WaitingEntry*, std::less<std::uint64_t>,
                       __gnu_pbds::rb_tree_tag, __gnu_pbds::tree_order_statistics_node_update>;
  using Deadlines = std::set<std::pair<std::int64_t, std::string_view>>;  // views of the maps' keys

  std::optional<Answer> run_elsewhere(Operation operation, std::string_view user,
                                      std::string_view operation_id, std::uint64_t wall_ms);
  std::optional<std::vector<Place>> look_elsewhere(std::span<const std::string_view> users,
                                                   std::uint64_t wall_ms);
  bool away_elsewhere(std::span<const std::string_view> users, std::uint64_t wall_ms);
  void look_at_clock(std::uint64_t wall_ms);
  void save_clock();
  std::int64_t counted(const Admitted& admitted) const;
  bool is_admitted(std::string_view user) const;
  void renew(std::string_view user);
  void admit(const std::string& user);
  void drop_admitted(std::string_view user);
  void drop_waiting(std::string_view user);
  void set_lease(WaitingEntry& entry, std::optional<std::int64_t> end);
  void settle_lease(std::string_view user);
  void settle(std::string_view user);
  std::int64_t first_lease_end() const;  // of whoever lines up now
  void hear(std::string_view user);
  std::size_t expire(std::size_t limit);
  bool promote(std::size_t limit);  // true: nobody is left who could take a free slot
  void enqueue(const std::string& user);
  std::uint8_t line_up(const std::string& user);
  std::uint8_t leave(Operation operation, std::string_view user);
  Place place_of(std::string_view user, bool renewing);
  std::optional<std::uint8_t> remembered(const std::string& operation);
  void remember(std::string operation, std::uint8_t outcome);

  Rules rules_;
  std::size_t max_users_;
  Elsewhere elsewhere_;     // set: the truth has moved
  std::int64_t clock_ = 0;  // the queue clock, now
  std::uint64_t wall_ = 0;
  std::optional<std::pair<std::int64_t, std::uint64_t>> saved_;  // both, when last saved
  std::uint64_t counter_ = 0;
  ByUser<Waiting> waiting_;
  Line line_;                                        // all who wait
  std::map<std::uint64_t, WaitingEntry*> eligible_;  // those of them who are not away
  Deadlines leases_;
  ByUser<Admitted> admitted_;
  Deadlines renewals_;             // as they count
  ByUser<std::uint8_t> outcomes_;  // of operations, by user and id
  std::deque<std::pair<std::uint64_t, std::string>> remembered_;
  std::vector<std::string> admitted_news_, closed_news_;
};

}  // namespace gw::queue
