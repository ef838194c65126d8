// SPDX-License-Identifier: Apache-2.0
//
// "gw.log/1", "gw.clock/1", "gw.random/1", "gw.metrics/1", "gw.health/1" and "gw.report/1"; and
// "gw.successor/1" of an instance that has none.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "probe.h"

namespace gw::conformance {

namespace {

void log(Part& part, Exchange, Report& report) {
  const Context& own = part.instance.context;
  CONFORMS(report, tables.log->enabled(own.raw(), GW_FAULT) != 0);
  for (std::int32_t level : {GW_DEBUG, GW_INFO, GW_WARN, GW_FAULT})
    own.log(level, "conformance: a line\nof two");
  own.log(GW_INFO, "");
  own.log(GW_INFO, std::string(100000, 'x'));
}

void clock(Part& part, Exchange, Report& report) {
  const Context& own = part.instance.context;
  std::uint64_t before = own.monotonic_ns();
  CONFORMS(report, own.monotonic_ns() >= before);
  CONFORMS(report, own.wall_ms() > 1'700'000'000'000);
}

void random(Part& part, Exchange, Report& report) {
  std::array<unsigned char, 33> one{}, two{};
  part.instance.context.random(one.data(), 32);
  part.instance.context.random(two.data(), 32);
  CONFORMS(report, one != two);
  CONFORMS(report, one[32] == 0);
  part.instance.context.random(nullptr, 0);
}

gw_family family(std::uint32_t type, std::string_view name) {
  static constexpr std::array<gw_str, 1> kLabels = {gw_str{"kind", 4}};
  static constexpr std::array<double, 2> kBounds = {1, 10};
  gw_family made{sizeof(gw_family), type, str(name), str("For the conformance suite."),
                 kLabels.data(),    1,    0,         nullptr};
  if (type == GW_HISTOGRAM) made.bound_count = 2, made.bounds = kBounds.data();
  return made;
}

struct Seen {
  std::string name, label;
  double value;
  std::uint64_t count;
  std::vector<std::uint64_t> buckets;
};

std::vector<Seen> visit(const Context& context) {
  std::vector<Seen> all;
  tables.metrics->visit(
      context.raw(),
      [](void* user, const gw_sample* sample) {
        if (!view(sample->family->name).starts_with("conformance_")) return;
        Seen seen{std::string(view(sample->family->name)),
                  std::string(view(sample->label_values[0])),
                  sample->value,
                  sample->count,
                  {}};
        seen.buckets.assign(sample->buckets, sample->buckets + sample->bucket_count);
        static_cast<std::vector<Seen>*>(user)->push_back(std::move(seen));
      },
      &all);
  return all;
}

void metrics(Part& part, Exchange, Report& report) {
  gw_family counter = family(GW_COUNTER, "conformance_things_total");
  gw_family gauge = family(GW_GAUGE, "conformance_level");
  gw_family histogram = family(GW_HISTOGRAM, "conformance_seconds");
  gw_cell* things = part.worker.cell(counter, {"good"});
  CONFORMS(report, things != nullptr);
  CONFORMS(report, things == part.worker.cell(counter, {"good"}));
  CONFORMS(report, things != part.worker.cell(counter, {"bad"}));
  tables.metrics->add(things, 2.5);
  gw_cell* level = part.worker.cell(gauge, {"good"});
  tables.metrics->set(level, 7);
  tables.metrics->add(level, -3);
  gw_cell* seconds = part.worker.cell(histogram, {"good"});
  for (double value : {0.5, 1.0, 5.0, 50.0}) tables.metrics->observe(seconds, value);

  gw_family other = family(GW_GAUGE, "conformance_things_total");
  CONFORMS(report, part.worker.cell(other, {"good"}) == nullptr);
  tables.metrics->add(nullptr, 1);
  tables.metrics->set(nullptr, 1);
  tables.metrics->observe(nullptr, 1);

  std::string order;
  bool counted = false, levelled = false, observed = false;
  for (const Seen& seen : visit(part.instance.context)) {
    report.expect(order <= seen.name, "families come in order of name");
    order = seen.name;
    if (seen.label != "good") continue;
    counted |= seen.name == "conformance_things_total" && seen.value == 2.5;
    levelled |= seen.name == "conformance_level" && seen.value == 4;
    observed |= seen.name == "conformance_seconds" && seen.count == 4 && seen.value == 56.5 &&
                seen.buckets == std::vector<std::uint64_t>{2, 1, 1};
  }
  CONFORMS(report, counted);
  CONFORMS(report, levelled);
  CONFORMS(report, observed);
}

void health(Part& part, Exchange, Report& report) {
  const Context& own = part.instance.context;
  own.health("conformance-b", GW_UP);
  own.health("conformance-a", GW_OUT_OF_SERVICE, R"({"why":"a case"})");
  own.health("conformance-b", GW_UNKNOWN);
  std::string seen;
  tables.health->visit(
      own.raw(),
      [](void* user, const gw_health_entry* entry) {
        if (view(entry->component).starts_with("conformance-"))
          *static_cast<std::string*>(user) += std::string(view(entry->component)) + "=" +
                                              std::to_string(entry->status) +
                                              std::string(view(entry->details_json)) + ";";
      },
      &seen);
  CONFORMS(report, seen == R"(conformance-a=3{"why":"a case"};conformance-b=2;)");
  own.health("conformance-a", GW_UP);
  own.health("conformance-b", GW_UP);
}

void reports(Part& part, Exchange, Report& report) {
  gw_context* own = part.instance.context.raw();
  std::vector<std::string> names;
  tables.report->visit(
      own,
      [](void* user, gw_str name) {
        static_cast<std::vector<std::string>*>(user)->emplace_back(view(name));
      },
      &names);
  CONFORMS(report, std::find(names.begin(), names.end(), "plugins") != names.end());
  const auto take = [](void* user, gw_str json) {
    *static_cast<std::string*>(user) = std::string(view(json));
  };
  for (const std::string& name : names) {
    std::string json;
    CONFORMS(report, tables.report->read(own, str(name), take, &json) == GW_OK);
    CONFORMS(report, json.starts_with('{') && json.ends_with('}'));
  }
  std::string untouched = "as before";
  CONFORMS(report, tables.report->read(own, str("no such"), take, &untouched) == GW_NOT_FOUND);
  CONFORMS(report, untouched == "as before");
}

void successor(Part& part, Exchange, Report& report) {
  if (part.worker.index() != 0) return;  // for the home worker alone
  std::string answer;
  CONFORMS(report, part.instance.context.ask_successor(1, "anybody?", answer) == GW_GONE);
  CONFORMS(report, answer.empty());
}

}  // namespace

void add_observe_cases(Cases& cases) {
  cases.immediate.insert({{"log", log},
                          {"clock", clock},
                          {"random", random},
                          {"metrics", metrics},
                          {"health", health},
                          {"reports", reports},
                          {"successor", successor}});
}

}  // namespace gw::conformance
