// SPDX-License-Identifier: Apache-2.0
//
// Tracing on one worker. A request gets a SERVER span, below the caller's if there is one, and, when
// it goes on to a service, one CLIENT span for all attempts; the service is told the latter as its
// parent. Headers of traces never pass as they came: one traceparent of ours takes their place.
#pragma once

#include <gateway/plugin.hpp>
#include <string>

#include "reporter.h"
#include "settings.h"
#include "trace_context.h"

namespace gw::tracing {

// Names of attributes as numbers.
struct Attributes {
  std::uint32_t trace_id = 0, route_id = 0, route_uri = 0, scheme = 0;
};

class TracingPart {
 public:
  // `settings` outlives it.
  TracingPart(Context context, Worker worker, const Settings& settings, Attributes attributes);

  Verdict on_request_head(Exchange x, void*& slot);
  Verdict on_response_head(Exchange x, void*& slot);
  void on_complete(Exchange x, void*& slot, const gw_outcome& outcome);

  Reporter reporter;

 private:
  struct Trip;  // of an exchange whose spans are reported

  Caller take_caller(Exchange x) const;
  bool decide(Sampled said) const;
  void report_server(Exchange x, const Trip& trip, const gw_outcome& outcome,
                     std::int64_t start_us);
  void report_client(Exchange x, const Trip& trip, const gw_outcome& outcome, std::int64_t start_us,
                     std::uint64_t now_ns);

  Context context_;
  const Settings& settings_;
  Attributes attributes_;
  std::string scratch_;  // between requests only its memory matters
};

}  // namespace gw::tracing
