// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "pipeline/attributes.h"
#include "pipeline/exchange.h"
#include "pipeline/tables.h"

namespace gw::plugin_host {

namespace {

using nlohmann::ordered_json;
using pipeline::Exchange;

// Any bytes as a string of JSON.
std::string text(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

ordered_json headers_of(const http::FieldList& fields) {
  ordered_json all = ordered_json::array();
  for (const http::Field& field : fields) all.push_back({text(field.name), text(field.value)});
  return all;
}

ordered_json request_of(Exchange& exchange) {
  const http::RequestHead& head = exchange.request();
  ordered_json attributes = ordered_json::object();
  std::string name;
  for (std::uint32_t i = 1; !(name = pipeline::attribute_name(i)).empty(); ++i) {
    gw_str value{};
    if (pipeline::attribute_api()->get(&exchange, i, &value) == GW_OK)
      attributes[name] = text({value.ptr, static_cast<std::size_t>(value.len)});
  }
  return {{"method", text(head.method)},        {"path", text(head.path)},
          {"query", text(head.query)},          {"authority", text(head.authority)},
          {"headers", headers_of(head.fields)}, {"attributes", std::move(attributes)}};
}

ordered_json response_of(Exchange& exchange) {
  return {{"status", exchange.response()->status},
          {"headers", headers_of(exchange.response()->fields)}};
}

const char* name_of(gw_verdict verdict) {
  switch (verdict) {
    case GW_CONTINUE:
      return "continue";
    case GW_PAUSE:
      return "pause";
    case GW_REPLIED:
      return "replied";
    default:
      return "unknown";
  }
}

// Stands where the filter stood.
class Tap {
 public:
  Tap(const pipeline::FilterStep& real, std::string plugin, std::shared_ptr<Recorder> recorder)
      : real_(real), plugin_(std::move(plugin)), recorder_(std::move(recorder)) {}

  pipeline::FilterStep step() {
    pipeline::FilterStep step = real_;
    step.part = this;
    step.api.on_request_head = on_request_head;
    step.api.on_complete = on_complete;
    if (real_.api.on_request_body != nullptr) step.api.on_request_body = on_request_body;
    if (real_.api.on_resume != nullptr) step.api.on_resume = on_resume;
    if (real_.api.on_response_head != nullptr) step.api.on_response_head = on_response_head;
    if (real_.api.on_response_body != nullptr) step.api.on_response_body = on_response_body;
    return step;
  }

 private:
  static Tap& self(void* part) { return *static_cast<Tap*>(part); }
  static Exchange& of(gw_exchange* exchange) { return *static_cast<Exchange*>(exchange); }

  // Null: this exchange is not recorded.
  ordered_json* calls_of(gw_exchange* exchange) {
    const auto found = open_.find(exchange);
    return found == open_.end() ? nullptr : &found->second;
  }

  // Adds what the filter did to what was noted before.
  static gw_verdict note(ordered_json* calls, const char* call, ordered_json in,
                         gw_exchange* exchange, gw_verdict verdict, ordered_json out) {
    out["verdict"] = name_of(verdict);
    if (verdict == GW_REPLIED && of(exchange).response() != nullptr) {
      out["answer"] = response_of(of(exchange));
      out["answer"]["body"] = text(of(exchange).local_body());
      out["answer"]["stream"] = of(exchange).streams();
    }
    calls->push_back({{"call", call}, {"in", std::move(in)}, {"out", std::move(out)}});
    return verdict;
  }

  static gw_verdict on_request_head(void* part, gw_exchange* exchange, void** slot) {
    Tap& tap = self(part);
    auto call = [&] { return tap.real_.api.on_request_head(tap.real_.part, exchange, slot); };
    if (!tap.recorder_->take()) return call();
    ordered_json& calls = tap.open_[exchange] = ordered_json::array();
    ordered_json in = request_of(of(exchange));
    in["wall_ms"] = tap.recorder_->clock().wall_ms();
    const gw_verdict verdict = call();
    return note(&calls, "on_request_head", std::move(in), exchange, verdict,
                request_of(of(exchange)));
  }
  static gw_verdict on_resume(void* part, gw_exchange* exchange, void** slot) {
    Tap& tap = self(part);
    const gw_verdict verdict = tap.real_.api.on_resume(tap.real_.part, exchange, slot);
    ordered_json* calls = tap.calls_of(exchange);
    if (calls == nullptr) return verdict;
    return note(calls, "on_resume", ordered_json::object(), exchange, verdict,
                request_of(of(exchange)));
  }
  static gw_verdict on_response_head(void* part, gw_exchange* exchange, void** slot) {
    Tap& tap = self(part);
    ordered_json* calls = tap.calls_of(exchange);
    auto call = [&] { return tap.real_.api.on_response_head(tap.real_.part, exchange, slot); };
    if (calls == nullptr) return call();
    ordered_json in = response_of(of(exchange));
    const gw_verdict verdict = call();
    return note(calls, "on_response_head", std::move(in), exchange, verdict,
                response_of(of(exchange)));
  }
  template <auto kCall>
  static gw_verdict on_body(const char* name, void* part, gw_exchange* exchange, void** slot,
                            gw_str data, std::int32_t last, std::uint64_t* consumed) {
    Tap& tap = self(part);
    const gw_verdict verdict =
        (tap.real_.api.*kCall)(tap.real_.part, exchange, slot, data, last, consumed);
    ordered_json* calls = tap.calls_of(exchange);
    if (calls == nullptr) return verdict;
    ordered_json in = {{"data", text({data.ptr, static_cast<std::size_t>(data.len)})},
                       {"last", last != 0}};
    return note(calls, name, std::move(in), exchange, verdict, {{"consumed", *consumed}});
  }
  static gw_verdict on_request_body(void* part, gw_exchange* exchange, void** slot, gw_str data,
                                    std::int32_t last, std::uint64_t* consumed) {
    return on_body<&gw_filter_api::on_request_body>("on_request_body", part, exchange, slot, data,
                                                    last, consumed);
  }
  static gw_verdict on_response_body(void* part, gw_exchange* exchange, void** slot, gw_str data,
                                     std::int32_t last, std::uint64_t* consumed) {
    return on_body<&gw_filter_api::on_response_body>("on_response_body", part, exchange, slot, data,
                                                     last, consumed);
  }
  static void on_complete(void* part, gw_exchange* exchange, void** slot,
                          const gw_outcome* outcome) {
    Tap& tap = self(part);
    if (ordered_json* calls = tap.calls_of(exchange)) {
      calls->push_back({{"call", "on_complete"},
                        {"in",
                         {{"status", outcome->status},
                          {"aborted", outcome->aborted != 0},
                          {"streaming", outcome->streaming != 0}}}});
      const ordered_json all = {{"recording", 1},
                                {"instance", tap.real_.use->instance},
                                {"plugin", tap.plugin_},
                                {"wall_ms", (*calls)[0]["in"]["wall_ms"]},
                                {"calls", std::move(*calls)}};
      tap.open_.erase(exchange);
      tap.recorder_->write(all.dump(-1, ' ', true));
    }
    if (tap.real_.api.on_complete != nullptr)
      tap.real_.api.on_complete(tap.real_.part, exchange, slot, outcome);
  }

  const pipeline::FilterStep real_;
  const std::string plugin_;
  const std::shared_ptr<Recorder> recorder_;
  std::map<gw_exchange*, ordered_json> open_;
};

}  // namespace

Recorder::Recorder(base::Log log, const base::Clock& clock, std::string path, std::uint32_t most)
    : log_(std::move(log)), clock_(clock), path_(std::move(path)), left_(most) {}

bool Recorder::take() {
  return left_.load(std::memory_order_relaxed) > 0 && left_.fetch_sub(1) > 0;
}

void Recorder::write(const std::string& line) {
  const std::lock_guard lock(mutex_);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  const int fd = ::open(path_.c_str(), kFlags, 0600);
  const std::string whole = line + "\n";
  const bool written =
      fd >= 0 && ::write(fd, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size());
  if (!written) {
    log_.warn("plugins", "recording to " + path_ + " ends: " + std::strerror(errno));
    left_ = 0;
  }
  if (fd >= 0) ::close(fd);
}

RecordedStep record(const pipeline::FilterStep& real, const std::string& plugin,
                    std::shared_ptr<Recorder> recorder) {
  auto tap = std::make_shared<Tap>(real, plugin, std::move(recorder));
  const pipeline::FilterStep step = tap->step();
  return {step, std::move(tap)};
}

}  // namespace gw::plugin_host
