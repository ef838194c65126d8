// SPDX-License-Identifier: Apache-2.0
//
// A plugin that tries every table of its host. Not for use: for tests of hosts.
#include <algorithm>

#include "probe.h"

namespace gw::conformance {

Conformance::Conformance(Context own, Config config)
    : context(own), outer(config.string("role") == "outer") {
  auto expect = [&](bool held, const char* key, const char* what) {
    if (!held) throw ConfigError(key, what);
  };
  expect(config.integer("wait") == 40, "wait", "is not 40 ms");
  expect(config.integer("room") == 2048, "room", "is not 2 KiB");
  expect(config.strings("words") == std::vector<std::string>{"one", "two"}, "words",
         "are not one and two");
  std::vector<Config> rules = config.tables_of("rules");
  expect(rules.size() == 1 && rules[0].boolean("on") && rules[0].number("weight") == 0.5, "rules",
         "are wrong");
  std::vector<std::string> keys = config.keys();
  expect(std::find(keys.begin(), keys.end(), "words") != keys.end(), "words",
         "is not among the keys");
  auto refuses = [&](auto read, const char* key) {
    try {
      read();
    } catch (const std::logic_error&) {
      return;
    }
    throw ConfigError(key, "was read as what it is not");
  };
  refuses([&] { config.integer("role"); }, "role");
  refuses([&] { config.string("missing"); }, "role");
}

void Conformance::start(Part& home) {
  if (home.worker.index() != 0) return context.started(GW_ERROR, "the home worker is not worker 0");
  home.start_timer.start(home.worker, 20, [this] {
    tally.started = true;
    context.started();
  });
}

void Conformance::stop(Part& home) {
  home.start_timer.start(home.worker, 20, [this] { context.stopped(); });
}

std::span<const gw_command> Conformance::commands() {
  static constexpr gw_command kCommands[] = {{"conformance", "Says its arguments again"}};
  return kCommands;
}

int Conformance::run(std::string_view, Terminal terminal) {
  std::vector<std::string> arguments = terminal.arguments();
  if (arguments.empty()) {
    terminal.error("no arguments\n");
    return 2;
  }
  for (const auto& argument : arguments) terminal.out(argument + "\n");
  return 3;
}

}  // namespace gw::conformance

GW_PLUGIN(gw::conformance::Conformance, R"(id = "conformance"
version = "1.0.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Tries every table of its host"
requires = ["gw.context/1", "gw.config/1", "gw.attribute/1", "gw.text/1", "gw.exchange/1", "gw.stream/1",
            "gw.worker/1", "gw.timer/1", "gw.fd/1", "gw.turn/1", "gw.post/1", "gw.resolve/1", "gw.call/1", "gw.offload/1",
            "gw.log/1", "gw.clock/1", "gw.random/1", "gw.metrics/1", "gw.health/1",
            "gw.report/1", "gw.successor/1"]
optional = ["gw.no_such_table/1"]
provides = ["gw.instance/1", "gw.filter/1", "gw.command/1", "gw.handover/1"]
[attributes]
provides = ["conformance.word", "trace.id"]
uses = ["client.address", "client.scheme", "request.id"]
[config.role]
type = "string"
one_of = ["inner", "outer"]
default = "inner"
doc = "Where it stands."
[config.wait]
type = "duration"
default = "40ms"
doc = "A duration."
[config.room]
type = "size"
default = "2KiB"
doc = "A size."
[config.words]
type = "strings"
default = ["one", "two"]
doc = "Words."
[config.rules]
type = "tables"
default = [{ on = true, weight = 0.5 }]
doc = "Tables."
[config.rules.keys.on]
type = "boolean"
doc = "A boolean."
[config.rules.keys.weight]
type = "float"
doc = "A float.")");
