// SPDX-License-Identifier: Apache-2.0
//
// What the queue counts, one set per worker: cells of gw.metrics/1, asked for once. Everything here
// is counted on the worker that did it; what is true of the queue as a whole (waiting, admitted,
// capacity) is set by the home worker alone.
#pragma once

#include <array>
#include <cstdint>
#include <gateway/plugin.hpp>

#include "store.h"

namespace gw::queue {

class Measures {
 public:
  explicit Measures(Worker worker);

  void lined_up(Lineup result) { add(lineups_[result - 1]); }
  void store_error(StoreError error) { add(errors_[static_cast<std::size_t>(error) - 1]); }
  void streams(std::size_t open) { set(streams_, static_cast<double>(open)); }
  void gate(Standing standing) { add(gate_[static_cast<std::size_t>(standing)]); }
  // `script`: an index of kScripts.
  void script(std::size_t script, std::uint64_t duration_ns) {
    tables.metrics->observe(durations_[script], static_cast<double>(duration_ns) / 1e9);
  }
  // Home worker.
  void standing(const Census& census);  // waiting, admitted, capacity
  void work(const Census& census);      // what the tick did
  void admissions(std::size_t users) { add(admissions_, static_cast<double>(users)); }
  void connected(bool up) { set(up_, up ? 1 : 0); }

  static constexpr const char* kScripts[] = {"lineup", "look",      "leave", "away",
                                             "tick",   "configure", "probe"};

 private:
  static void add(gw_cell* cell, double value = 1) { tables.metrics->add(cell, value); }
  static void set(gw_cell* cell, double value) { tables.metrics->set(cell, value); }

  std::array<gw_cell*, 3> lineups_{}, errors_{}, gate_{};
  std::array<gw_cell*, std::size(kScripts)> durations_{};
  gw_cell *streams_ = nullptr, *waiting_ = nullptr, *admitted_ = nullptr, *capacity_ = nullptr,
          *up_ = nullptr;
  gw_cell *admissions_ = nullptr, *expired_ = nullptr, *dropped_ = nullptr, *repaired_ = nullptr;
};

}  // namespace gw::queue
