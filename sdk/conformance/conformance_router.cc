// SPDX-License-Identifier: Apache-2.0
//
// The router of the conformance suite: "gw.router/1". Its endpoint is the gateway itself, at the
// request's authority, where the suite's filter answers; 127.0.0.1:1 is where nobody listens.
#include <gateway/plugin.hpp>

namespace gw::conformance {

class Router {
 public:
  Router(Context, Config) {}

  struct Part {
    Part(Router&, Worker) {}

    // What one exchange saw, in its own memory.
    struct Seen {
      std::uint32_t chosen = 0, decided = 0, status = 0;
      std::int32_t last_result = -1;
      bool wrong = false;
    };

    Verdict choose(Exchange x, void*& slot, const gw_attempt* previous, gw_endpoint& out) {
      if (slot == nullptr) slot = x.make<Seen>();
      auto& seen = *static_cast<Seen*>(slot);
      ++seen.chosen;
      seen.wrong |= out.struct_size < sizeof(gw_endpoint) || out.address.len != 0;
      seen.wrong |= (previous == nullptr) != (seen.chosen == 1) || seen.decided != seen.chosen - 1;
      if (previous != nullptr) {
        seen.wrong |= previous->number != seen.chosen - 1 || previous->token != previous->number;
        seen.wrong |= previous->result != GW_ATTEMPT_REFUSED;
      }
      out.token = seen.chosen;
      out.address = x.request().authority;
      std::string_view path = x.path();
      if (path == "/conformance/route-none") return x.fail(404, "ENDPOINT_NOT_FOUND");
      if (path == "/conformance/route-bad-pause") return GW_PAUSE;
      if (path == "/conformance/route-bad-endpoint") {
        out.address = {};
        return GW_CONTINUE;
      }
      if (path == "/conformance/route-refused") {
        out.address = str("127.0.0.1:1");
        return GW_CONTINUE;
      }
      if (path == "/conformance/route-retry" && previous == nullptr) {
        out.address = str("127.0.0.1:1");
        return GW_CONTINUE;
      }
      if (path == "/conformance/route-body") return to(x, "/conformance/own/body");
      if (path == "/conformance/route-missing") return to(x, "/conformance/route-none");
      if (path == "/conformance/route" || path == "/conformance/route-retry")
        return to(x, "/conformance/plain");
      return x.reply(200, {}, "routed\n");
    }

    void outcome(Exchange, void*& slot, const gw_attempt& attempt) {
      auto& seen = *static_cast<Seen*>(slot);
      ++seen.decided;
      seen.wrong |= attempt.number != seen.decided || attempt.token != attempt.number ||
                    seen.decided > seen.chosen;
      seen.last_result = attempt.result;
      seen.status = attempt.status;
    }

    Verdict on_response_head(Exchange x, void*& slot) {
      auto& seen = *static_cast<Seen*>(slot);
      seen.wrong |= seen.last_result != GW_ATTEMPT_ANSWERED ||
                    seen.status != tables.exchange->status(x.raw());
      seen.wrong |= seen.decided != seen.chosen;
      x.set_header(GW_RESPONSE, "X-Router",
                   seen.wrong ? "wrong" : "right " + std::to_string(seen.chosen));
      return GW_CONTINUE;
    }
  };

 private:
  static Verdict to(Exchange x, std::string_view path) {
    x.set_header(GW_REQUEST, "X-Routed", "yes");
    return x.set_target(path, "") == GW_OK ? GW_CONTINUE : x.fail(500, "TARGET_REFUSED");
  }
};

}  // namespace gw::conformance

GW_PLUGIN(gw::conformance::Router, R"(id = "conformance_router"
version = "1.0.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "The router of the conformance suite"
requires = ["gw.exchange/1"]
provides = ["gw.instance/1", "gw.router/1"])");
