// SPDX-License-Identifier: Apache-2.0
//
// A filter that is asked in every phase of heads and does nothing: what a place in the pipeline costs.
#include <gateway/plugin.hpp>

namespace {

class Noop {
 public:
  Noop(gw::Context, gw::Config) {}

  struct Part {
    Part(Noop&, gw::Worker) {}
    gw::Verdict on_request_head(gw::Exchange, void*&) { return GW_CONTINUE; }
    gw::Verdict on_response_head(gw::Exchange, void*&) { return GW_CONTINUE; }
    void on_complete(gw::Exchange, void*&, const gw_outcome&) {}
  };
};

}  // namespace

GW_PLUGIN(Noop, R"(
id = "noop"
version = "0.1.0"
abi = "1.0"
licence = "Apache-2.0"
summary = "Does nothing"
requires = ["gw.exchange/1", "gw.config/1"]
provides = ["gw.instance/1", "gw.filter/1"]
)");
