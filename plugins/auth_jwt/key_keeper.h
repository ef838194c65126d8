// SPDX-License-Identifier: Apache-2.0
//
// Keeps the key set of the whole process up to date: one fetch at start, then one per interval, and
// out of turn when a worker meets a key that it does not know. The last good set is kept while the
// source fails. Lives on the home worker; what it learns goes to the workers as an immutable set.
#pragma once

#include <gateway/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "key_set.h"
#include "refresh.h"
#include "settings.h"

namespace gw::auth {

// What the keeper tells. Called on the home worker.
class KeyListener {
 public:
  virtual ~KeyListener() = default;
  // A fetch ended. `keys`: the set in force from now on; null: unchanged.
  virtual void on_fetch_ended(std::shared_ptr<const KeySet> keys) = 0;
};

class KeyKeeper {
 public:
  // All by reference must outlive it. `fixed`: keys that are always in the set.
  KeyKeeper(Context context, Worker home, const Settings& settings, FetchGate& gate,
            KeyListener& listener, std::vector<std::shared_ptr<const Key>> fixed);
  KeyKeeper(const KeyKeeper&) = delete;
  KeyKeeper& operator=(const KeyKeeper&) = delete;

  // [home] The first fetch. The listener hears of its end, as of every other's.
  void start();
  // [home] Somebody got FetchGate::Answer::kStart.
  void fetch_wanted();

 private:
  void fetch();
  void on_answer(const gw_call_answer& answer);
  void read(std::string_view text);
  void succeeded(std::vector<std::shared_ptr<const Key>> keys);
  void failed(const std::string& reason);
  void ended(bool good, std::shared_ptr<const KeySet> changed, const char* result);
  void report_health() const;
  gw_cell* fetches(const char* result) const;

  Context context_;
  Worker home_;
  const Settings& settings_;
  FetchGate& gate_;
  KeyListener& listener_;
  std::vector<std::shared_ptr<const Key>> fixed_;
  std::shared_ptr<const KeySet> current_;
  RefreshPlan plan_;
  std::string source_;  // for people: without user and password
  std::string error_;   // of the last fetch; empty: it was good
  std::int64_t fetched_ms_ = 0;
  bool fetching_ = false;
  Timer timer_;
  Ticket call_;
};

}  // namespace gw::auth
