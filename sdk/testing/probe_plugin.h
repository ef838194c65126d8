// SPDX-License-Identifier: Apache-2.0
//
// Plugins for the fake host's own tests: each callback is a function that the test sets.
#pragma once

#include <functional>
#include <gateway/plugin.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace gw::testing::probe {

struct Hooks {
  using Phase = std::function<Verdict(gw::Exchange, void*&)>;
  using Body = std::function<Verdict(gw::Exchange, void*&, std::string_view, bool, std::uint64_t&)>;
  Phase request_head, resume, response_head;
  Body request_body, response_body;
  std::function<void(gw::Exchange, void*&, const gw_outcome&)> complete;
  std::function<Verdict(gw::Exchange, void*&, const gw_attempt*, gw_endpoint&)> choose;
  std::function<void(const gw_attempt&)> outcome;
  std::function<void(Context, Worker)> start, stop;
  Context* context = nullptr;
  std::vector<Worker> workers;
};

// Of the instance that is created next; lives in the test.
inline Hooks* next_hooks = nullptr;

class Base {
 public:
  Base(Context raw, Config config) : context(raw), hooks(*next_hooks), text(config.string("text")) {
    hooks.context = &context;
  }
  Context context;
  Hooks& hooks;
  std::string text;
};

inline constexpr auto kAll = [](std::string_view data, std::uint64_t& consumed) {
  consumed = data.size();
  return GW_CONTINUE;
};

class Filter : public Base {
 public:
  using Base::Base;
  struct Part {
    Part(Filter& owner, Worker own) : hooks(owner.hooks), worker(own) {
      hooks.workers.push_back(worker);
    }
    Verdict on_request_head(gw::Exchange x, void*& slot) {
      return hooks.request_head ? hooks.request_head(x, slot) : GW_CONTINUE;
    }
    Verdict on_request_body(gw::Exchange x, void*& slot, std::string_view data, bool last,
                            std::uint64_t& consumed) {
      return hooks.request_body ? hooks.request_body(x, slot, data, last, consumed)
                                : kAll(data, consumed);
    }
    Verdict on_resume(gw::Exchange x, void*& slot) {
      return hooks.resume ? hooks.resume(x, slot) : GW_CONTINUE;
    }
    Verdict on_response_head(gw::Exchange x, void*& slot) {
      return hooks.response_head ? hooks.response_head(x, slot) : GW_CONTINUE;
    }
    Verdict on_response_body(gw::Exchange x, void*& slot, std::string_view data, bool last,
                             std::uint64_t& consumed) {
      return hooks.response_body ? hooks.response_body(x, slot, data, last, consumed)
                                 : kAll(data, consumed);
    }
    void on_complete(gw::Exchange x, void*& slot, const gw_outcome& outcome) {
      if (hooks.complete) hooks.complete(x, slot, outcome);
    }
    Hooks& hooks;
    Worker worker;
  };
  void start(Part& part) { hooks.start ? hooks.start(context, part.worker) : context.started(); }
  void stop(Part& part) { hooks.stop ? hooks.stop(context, part.worker) : context.stopped(); }
};

class Router : public Base {
 public:
  using Base::Base;
  struct Part {
    Part(Router& owner, Worker) : hooks(owner.hooks) {}
    Verdict choose(gw::Exchange x, void*& slot, const gw_attempt* previous, gw_endpoint& out) {
      if (hooks.choose) return hooks.choose(x, slot, previous, out);
      out.address = str("127.0.0.1:1");
      return GW_CONTINUE;
    }
    void outcome(gw::Exchange, void*&, const gw_attempt& attempt) {
      if (hooks.outcome) hooks.outcome(attempt);
    }
    Verdict on_response_head(gw::Exchange x, void*& slot) {
      return hooks.response_head ? hooks.response_head(x, slot) : GW_CONTINUE;
    }
    void on_complete(gw::Exchange x, void*& slot, const gw_outcome& outcome) {
      if (hooks.complete) hooks.complete(x, slot, outcome);
    }
    Hooks& hooks;
  };
};

#define GW_PROBE_MANIFEST(id, role)                                    \
  "id = \"" id                                                         \
  "\"\nversion = \"1.0.0\"\nabi = \"1.0\"\nlicence = \"Apache-2.0\"\n" \
  "summary = \"For tests\"\nrequires = [\"gw.exchange/1\"]\n"          \
  "provides = [\"gw.instance/1\", \"" role                             \
  "\"]\n"                                                              \
  "[config.text]\ntype = \"string\"\ndefault = \"${PROBE_TEXT:none}\"\ndoc = \"Any text.\"\n"

inline const gw_plugin kFilter = {
    sizeof(gw_plugin),          GW_ABI,  GW_PROBE_MANIFEST("probe", "gw.filter/1"),
    detail::Glue<Filter>::init, nullptr, detail::Glue<Filter>::get_interface};
inline const gw_plugin kRouter = {
    sizeof(gw_plugin),          GW_ABI,  GW_PROBE_MANIFEST("probe_router", "gw.router/1"),
    detail::Glue<Router>::init, nullptr, detail::Glue<Router>::get_interface};

// An instance with its hooks.
struct Probe {
  Probe(FakeHost& host, const gw_plugin& plugin = kFilter, std::string name = "probe",
        std::string config = "")
      : instance(((next_hooks = &hooks), host), plugin, config, std::move(name)) {}
  Hooks hooks;
  Instance instance;
};

}  // namespace gw::testing::probe
