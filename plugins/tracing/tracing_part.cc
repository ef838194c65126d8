// SPDX-License-Identifier: Apache-2.0
#include "tracing_part.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace gw::tracing {
namespace {

constexpr std::string_view kNone = "none", kUnknown = "UNKNOWN";

// Fresh, and not all zero.
template <std::size_t size>
void make_id(RandomPool& random, std::array<char, size>& id) {
  constexpr char kDigits[] = "0123456789abcdef";
  unsigned char bytes[size / 2];
  do {
    random.take(bytes, sizeof bytes);
  } while (std::all_of(bytes, bytes + sizeof bytes, [](unsigned char byte) { return byte == 0; }));
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    id[2 * i] = kDigits[bytes[i] >> 4];
    id[2 * i + 1] = kDigits[bytes[i] & 15];
  }
}

// Micrometer's Outcome.
std::string_view outcome_of(std::uint32_t status) {
  constexpr std::string_view kOutcomes[] = {"INFORMATIONAL", "SUCCESS", "REDIRECTION",
                                            "CLIENT_ERROR", "SERVER_ERROR"};
  return status >= 100 && status < 600 ? kOutcomes[status / 100 - 1] : kUnknown;
}

class StatusText {
 public:
  explicit StatusText(std::uint32_t status) {
    if (status != 0) size_ = std::to_chars(digits_, digits_ + sizeof digits_, status).ptr - digits_;
  }
  std::string_view view() const {
    return size_ == 0 ? kUnknown : std::string_view(digits_, static_cast<std::size_t>(size_));
  }

 private:
  char digits_[10];
  std::ptrdiff_t size_ = 0;
};

// "http get"
class SpanName {
 public:
  SpanName(std::string_view prefix, std::string_view method, bool lower) {
    const auto put = [this](char c) {
      if (size_ < sizeof text_) text_[size_++] = c;
    };
    for (char c : prefix) put(c);
    for (char c : method)
      put(lower && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
  }
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[24];
  std::size_t size_ = 0;
};

}  // namespace

struct TracingPart::Trip {
  TraceId trace;
  SpanId parent, server, client;
  bool has_parent, debug;
  std::uint64_t answered_ns;  // when the answer's head came; 0: not yet
  std::string_view path;      // as asked for
};

void RandomPool::take(void* out, std::size_t size) {
  if (bytes_.size() - used_ < size) {
    context_.random(bytes_.data(), bytes_.size());
    used_ = 0;
  }
  std::memcpy(out, bytes_.data() + used_, size);
  used_ += size;
}

TracingPart::TracingPart(Context context, Worker worker, const Settings& settings,
                         Attributes attributes)
    : reporter(context, worker, settings.reporter),
      context_(context),
      random_(context),
      settings_(settings),
      attributes_(attributes) {}

// What the caller said; its headers are gone then.
Caller TracingPart::take_caller(Exchange x) const {
  TraceHeaders headers;
  bool any = false;
  for (std::uint32_t i = 0; auto header = x.header_at(GW_REQUEST, i); ++i) {
    const auto found = find_trace_header(view(header->name));
    if (found) headers.add(*found, view(header->value)), any = true;
  }
  if (!any) return {};
  const Caller caller = settings_.join ? read_caller(headers) : Caller();
  for (std::size_t i = 0; i < kTraceHeaders; ++i) {
    const auto header = static_cast<TraceHeader>(i);
    if (headers.has(header)) x.remove_header(GW_REQUEST, name_of(header));
  }
  return caller;
}

bool TracingPart::decide(Sampled said) {
  if (said != Sampled::kUndecided) return said != Sampled::kNo;
  if (settings_.probability >= 1) return true;
  std::uint64_t random = 0;
  random_.take(&random, sizeof random);
  return static_cast<double>(random >> 11) * 0x1p-53 < settings_.probability;
}

Verdict TracingPart::on_request_head(Exchange x, void*& slot) {
  const Caller caller = take_caller(x);
  const bool sampled = decide(caller.sampled);
  Trip trip{};
  trip.trace = caller.trace, trip.parent = caller.span;
  trip.has_parent = caller.has_ids, trip.debug = caller.sampled == Sampled::kDebug;
  if (!caller.has_ids) make_id(random_, trip.trace);
  make_id(random_, trip.client);
  x.set_attribute(attributes_.trace_id, text(trip.trace));
  const auto traceparent = write_traceparent(trip.trace, trip.client, sampled);
  x.set_header(GW_REQUEST, "traceparent", {traceparent.data(), traceparent.size()});
  if (!sampled) return GW_CONTINUE;

  make_id(random_, trip.server);
  const gw_request request = x.request();
  const std::string_view path = view(request.path).substr(0, kMostTagBytes);
  auto* memory = static_cast<char*>(tables.exchange->alloc(x.raw(), sizeof trip + path.size()));
  if (memory == nullptr) return GW_CONTINUE;  // better without spans than without an answer
  std::memcpy(memory + sizeof trip, path.data(), path.size());
  trip.path = {memory + sizeof trip, path.size()};
  slot = new (memory) Trip(trip);
  return GW_CONTINUE;
}

Verdict TracingPart::on_response_head(Exchange, void*& slot) {
  auto* trip = static_cast<Trip*>(slot);
  if (trip != nullptr && trip->answered_ns == 0) trip->answered_ns = context_.monotonic_ns();
  return GW_CONTINUE;
}

void TracingPart::on_complete(Exchange x, void*& slot, const gw_outcome& outcome) {
  const auto* trip = static_cast<Trip*>(slot);
  if (trip == nullptr) return;
  const std::uint64_t now_ns = context_.monotonic_ns();
  const std::int64_t start_us =
      context_.wall_ms() * 1000 - static_cast<std::int64_t>(outcome.duration_ns / 1000);
  if (outcome.upstream_ns != 0) report_client(x, *trip, outcome, start_us, now_ns);
  report_server(x, *trip, outcome, start_us);
}

// Tags as those of Spring's http.server.requests. Of the URL the path alone: a query may hold what
// is nobody's business.
void TracingPart::report_server(Exchange x, const Trip& trip, const gw_outcome& outcome,
                                std::int64_t start_us) {
  const std::string_view method = x.method(), code = view(outcome.error_code);
  const std::uint32_t status = outcome.aborted ? 0 : outcome.status;
  const bool failed = !code.empty() && outcome.status >= 500;
  const bool not_found = status == 404 && outcome.upstream_ns == 0;
  const StatusText status_text(status);
  const Tag tags[] = {{"exception", failed ? code : kNone},
                      {"http.url", trip.path},
                      {"method", method},
                      {"outcome", outcome_of(status)},
                      {"status", status_text.view()},
                      {"uri", not_found ? "NOT_FOUND" : kUnknown},
                      {"error", code}};
  const SpanName name("http ", method, true);
  Span span{.trace_id = text(trip.trace), .id = text(trip.server)};
  if (trip.has_parent) span.parent_id = text(trip.parent);
  span.kind = "SERVER", span.name = name.view(), span.service = settings_.service;
  span.timestamp_us = start_us;
  span.duration_us = outcome.duration_ns / 1000;
  span.debug = trip.debug;
  span.tags = std::span(tags).first(failed ? 7 : 6);
  reporter.add(span);
}

// From the first attempt to the answer's head, as Spring Cloud Gateway's http.client.requests.
void TracingPart::report_client(Exchange x, const Trip& trip, const gw_outcome& outcome,
                                std::int64_t start_us, std::uint64_t now_ns) {
  const gw_request request = x.request();
  const std::string_view code = view(outcome.error_code);
  scratch_ = x.attribute(attributes_.scheme).value_or("http");
  scratch_.append("://").append(view(request.authority)).append(view(request.path));
  const StatusText status_text(code.empty() ? outcome.status : 0);
  const bool failed = !code.empty() && outcome.status >= 500;
  const auto attribute = [x](std::uint32_t id) { return x.attribute(id).value_or(kUnknown); };
  const Tag tags[] = {{"http.method", view(request.method)},
                      {"http.status_code", status_text.view()},
                      {"http.uri", scratch_},
                      {"spring.cloud.gateway.route.id", attribute(attributes_.route_id)},
                      {"spring.cloud.gateway.route.uri", attribute(attributes_.route_uri)},
                      {"error", code}};
  const SpanName name("HTTP ", view(request.method), false);
  // How long ago the first attempt was, and the answer.
  const std::uint64_t before_ns = std::min(outcome.upstream_ns, outcome.duration_ns);
  const std::uint64_t since_ns = trip.answered_ns == 0 ? 0 : now_ns - trip.answered_ns;
  const std::uint64_t after_ns = outcome.duration_ns - before_ns;
  Span span{.trace_id = text(trip.trace), .id = text(trip.client), .parent_id = text(trip.server)};
  span.kind = "CLIENT", span.name = name.view(), span.service = settings_.service;
  span.timestamp_us = start_us + static_cast<std::int64_t>(before_ns / 1000);
  span.duration_us = (after_ns - std::min(since_ns, after_ns)) / 1000;
  span.debug = trip.debug;
  span.tags = std::span(tags).first(failed ? 6 : 5);
  reporter.add(span);
}

}  // namespace gw::tracing
