// SPDX-License-Identifier: Apache-2.0
//
// A world for tests of the pipeline: connections (test_peers.h), time (test_time.h) and plugins that do
// what the test says. What the real ones forbid fails the test here: using what is dead, calling out
// of turn.
#pragma once

#include <gateway/plugin.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/chain.h"
#include "pipeline/dispatcher.h"
#include "pipeline/tables.h"
#include "pipeline/test_peers.h"
#include "pipeline/test_time.h"

namespace gw::pipeline::testing {

inline gw_str str(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string text(gw_str s) {
  return std::string(s.ptr == nullptr ? "" : s.ptr, static_cast<std::size_t>(s.len));
}

// A plugin part: what is not set is missing from its table.
struct Plugin {
  std::function<gw_verdict(gw_exchange*, void**)> head, resume, response_head;
  std::function<gw_verdict(gw_exchange*, std::string_view, bool, std::uint64_t*)> body,
      response_body;
  std::function<void(gw_exchange*, const gw_outcome&)> complete;
  // Router.
  std::function<gw_verdict(gw_exchange*, const gw_attempt*, gw_endpoint*)> choose;
  std::vector<gw_attempt> outcomes;

  PartUse use;
  std::vector<std::string>* events = nullptr;
  int completions = 0;
  gw_outcome outcome{};
  std::string error_code;

  void note(const char* what) { events->push_back(use.instance + ":" + what); }
  FilterStep filter_step();
  RouterStep router_step();
};

inline Plugin& plugin(void* part) {
  return *static_cast<Plugin*>(part);
}

inline void note_complete(void* part, gw_exchange* x, void**, const gw_outcome* outcome) {
  Plugin& p = plugin(part);
  p.note("complete");
  ++p.completions;
  p.outcome = *outcome;
  p.error_code = text(outcome->error_code);
  if (p.complete) p.complete(x, *outcome);
}

inline FilterStep Plugin::filter_step() {
  gw_filter_api api{};
  api.struct_size = sizeof api;
  api.on_request_head = [](void* part, gw_exchange* x, void** slot) {
    plugin(part).note("head");
    return plugin(part).head ? plugin(part).head(x, slot) : gw_verdict{GW_CONTINUE};
  };
  if (body)
    api.on_request_body = [](void* part, gw_exchange* x, void**, gw_str data, std::int32_t last,
                             std::uint64_t* consumed) {
      plugin(part).note("body");
      return plugin(part).body(x, {data.ptr, static_cast<std::size_t>(data.len)}, last != 0,
                               consumed);
    };
  if (resume)
    api.on_resume = [](void* part, gw_exchange* x, void** slot) {
      plugin(part).note("resume");
      return plugin(part).resume(x, slot);
    };
  api.on_response_head = [](void* part, gw_exchange* x, void** slot) {
    plugin(part).note("response");
    return plugin(part).response_head ? plugin(part).response_head(x, slot)
                                      : gw_verdict{GW_CONTINUE};
  };
  if (response_body)
    api.on_response_body = [](void* part, gw_exchange* x, void**, gw_str data, std::int32_t last,
                              std::uint64_t* consumed) {
      plugin(part).note("response_body");
      return plugin(part).response_body(x, {data.ptr, static_cast<std::size_t>(data.len)},
                                        last != 0, consumed);
    };
  api.on_complete = note_complete;
  return make_filter_step(&api, this, use);
}

inline RouterStep Plugin::router_step() {
  gw_router_api api{};
  api.struct_size = sizeof api;
  api.choose = [](void* part, gw_exchange* x, void**, const gw_attempt* previous,
                  gw_endpoint* out) {
    plugin(part).note("choose");
    if (plugin(part).choose) return plugin(part).choose(x, previous, out);
    out->address = str("10.0.0.9:80");
    return gw_verdict{GW_CONTINUE};
  };
  api.outcome = [](void* part, gw_exchange*, void**, const gw_attempt* attempt) {
    plugin(part).note("outcome");
    plugin(part).outcomes.push_back(*attempt);
  };
  if (response_head)
    api.on_response_head = [](void* part, gw_exchange* x, void** slot) {
      plugin(part).note("response");
      return plugin(part).response_head(x, slot);
    };
  api.on_complete = note_complete;
  return make_router_step(&api, this, use);
}

// One worker with filters a, b, c and a router r; change them before `start`.
class World {
 public:
  static DispatcherOptions surviving() {
    DispatcherOptions options;
    options.abort_on_misuse = false;
    return options;
  }
  explicit World(DispatcherOptions options = surviving())
      : dispatcher({pool, clock, scheduler, {}}, options) {
    const char* names[] = {"a", "b", "c", "r"};
    for (int i = 0; i < 4; ++i) {
      plugins[i].use.instance = names[i];
      plugins[i].events = &events;
    }
  }
  ~World() {
    for (auto& transaction : transactions)
      if (!transaction->over()) transaction->leaves();
    dispatcher.close_streams(nullptr);
    EXPECT_EQ(dispatcher.open_exchanges(), 0u);
    EXPECT_EQ(scheduler.deadlines(), 0u);
    for (const Plugin& p : plugins) EXPECT_TRUE(p.use.idle()) << p.use.instance;
  }

  // A chain for everything, of the first `filters` filters.
  std::unique_ptr<WorkerGeneration> make_generation(int filters = 3, bool router = true) {
    auto next = std::make_unique<WorkerGeneration>();
    next->number = ++generations;
    Chain chain;
    chain.name = "all";
    for (int i = 0; i < filters; ++i) chain.filters.push_back(plugins[i].filter_step());
    if (router) chain.router = plugins[3].router_step();
    chain.finish();
    next->chains.push_back(std::move(chain));
    return next;
  }
  void start(int filters = 3, bool router = true) {
    dispatcher.set_generation(make_generation(filters, router));
  }
  FakeTransaction& request(const RequestSpec& spec = {}) {
    transactions.push_back(std::make_unique<FakeTransaction>(clock, spec));
    dispatcher.on_request(*transactions.back());
    return *transactions.back();
  }
  std::string take_events() {
    std::string all;
    for (const std::string& event : events) all += (all.empty() ? "" : " ") + event;
    events.clear();
    return all;
  }
  FakeCall& call() { return pool.calls.back(); }

  FakeClock clock;
  FakeScheduler scheduler{clock};
  FakePool pool;
  std::vector<std::string> events;
  Plugin plugins[4];
  Plugin &a = plugins[0], &b = plugins[1], &c = plugins[2], &r = plugins[3];
  Dispatcher dispatcher;
  std::vector<std::unique_ptr<FakeTransaction>> transactions;
  std::uint64_t generations = 0;
};

inline gw_verdict reply(gw_exchange* x, std::uint32_t status, std::string_view body = {}) {
  EXPECT_EQ(exchange_api()->reply(x, status, nullptr, 0, str(body)), GW_OK);
  return GW_REPLIED;
}

}  // namespace gw::pipeline::testing
