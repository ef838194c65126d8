// SPDX-License-Identifier: Apache-2.0
#include "measures.h"

namespace gw::queue {
namespace {

gw_cell* cell(Worker worker, std::uint32_t type, std::string_view name, std::string_view help) {
  gw_family family{};
  family.struct_size = sizeof family;
  family.type = type;
  family.name = str(name);
  family.help = str(help);
  return worker.cell(family);
}

gw_cell* labelled(Worker worker, std::uint32_t type, std::string_view name, std::string_view help,
                  std::string_view label, std::string_view value) {
  static constexpr double kBounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01,
                                       0.025,  0.05,  0.1,    0.25,  1};
  gw_str labels[] = {str(label)};
  gw_family family{};
  family.struct_size = sizeof family;
  family.type = type;
  family.name = str(name);
  family.help = str(help);
  family.labels = labels;
  family.label_count = 1;
  if (type == GW_HISTOGRAM) family.bounds = kBounds, family.bound_count = std::size(kBounds);
  return worker.cell(family, {value});
}

}  // namespace

Measures::Measures(Worker worker) {
  constexpr const char* kResults[] = {"already", "admitted", "queued"};
  constexpr const char* kErrors[] = {"unavailable", "overloaded", "failed"};
  constexpr const char* kStandings[] = {"absent", "waiting", "admitted"};
  for (std::size_t i = 0; i < 3; ++i) {
    lineups_[i] = labelled(worker, GW_COUNTER, "gateway_queue_lineups_total", "Line-ups by result.",
                           "result", kResults[i]);
    errors_[i] = labelled(worker, GW_COUNTER, "gateway_queue_store_errors_total",
                          "Operations that the queue's store did not serve.", "kind", kErrors[i]);
    gate_[i] = labelled(worker, GW_COUNTER, "gateway_queue_gate_total",
                        "Gated calls by the user's standing.", "standing", kStandings[i]);
  }
  for (std::size_t i = 0; i < std::size(kScripts); ++i)
    durations_[i] = labelled(worker, GW_HISTOGRAM, "gateway_queue_script_seconds",
                             "Time from sending a script to its reply.", "script", kScripts[i]);
  streams_ = cell(worker, GW_GAUGE, "gateway_queue_streams", "Open streams.");
  waiting_ = cell(worker, GW_GAUGE, "gateway_queue_waiting", "People waiting.");
  admitted_ = cell(worker, GW_GAUGE, "gateway_queue_admitted", "People admitted.");
  capacity_ = cell(worker, GW_GAUGE, "gateway_queue_capacity", "Capacity in force.");
  up_ = cell(worker, GW_GAUGE, "gateway_queue_store_up", "1 while the store answers.");
  admissions_ = cell(worker, GW_COUNTER, "gateway_queue_admissions_total",
                     "Admissions told to this gateway.");
  expired_ = cell(worker, GW_COUNTER, "gateway_queue_expired_total", "Admissions that ran out.");
  dropped_ =
      cell(worker, GW_COUNTER, "gateway_queue_dropped_total", "Places given up after their lease.");
  repaired_ = cell(worker, GW_COUNTER, "gateway_queue_repaired_total",
                   "Traces of other programs or of a fail-over that were put right.");
}

void Measures::standing(const Census& census) {
  set(waiting_, static_cast<double>(census.waiting));
  set(admitted_, static_cast<double>(census.admitted));
  set(capacity_, static_cast<double>(census.capacity));
}

void Measures::work(const Census& census) {
  add(expired_, static_cast<double>(census.expired));
  add(dropped_, static_cast<double>(census.dropped));
  add(repaired_, static_cast<double>(census.repaired));
}

}  // namespace gw::queue
