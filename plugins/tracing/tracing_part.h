// SPDX-License-Identifier: Apache-2.0
//
// Tracing on one worker. A request gets a SERVER span, below the caller's if there is one, and, when
// it goes on to a service, one CLIENT span for all attempts; the service is told the latter as its
// parent. Headers of traces never pass as they came: one traceparent of ours takes their place.
#pragma once

#include <array>
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

// The host's random bytes, fetched many at a time: asking for few costs as much.
class RandomPool {
 public:
  explicit RandomPool(Context context) : context_(context) {}
  void take(void* out, std::size_t size);  // at most 32

 private:
  Context context_;
  static constexpr std::size_t kBytes = 1024;
  std::array<unsigned char, kBytes> bytes_{};
  std::size_t used_ = kBytes;
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
  bool decide(Sampled said);
  void report_server(Exchange x, const Trip& trip, const gw_outcome& outcome,
                     std::int64_t start_us);
  void report_client(Exchange x, const Trip& trip, const gw_outcome& outcome, std::int64_t start_us,
                     std::uint64_t now_ns);

  Context context_;
  RandomPool random_;
  const Settings& settings_;
  Attributes attributes_;
  std::string scratch_;  // between requests only its memory matters
};

}  // namespace gw::tracing
