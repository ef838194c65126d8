// SPDX-License-Identifier: Apache-2.0
#include "testing/replay.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "testing/straight.h"

namespace gw::testing {

namespace {

using nlohmann::json;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::uint32_t kLongestMs = 60'000;
constexpr std::uint32_t kStepMs = 10;

// The recorder's text as the bytes that it was.
std::string bytes(const json& from) {
  std::string out;
  const auto& text = from.get_ref<const std::string&>();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80 || i + 1 == text.size()) {
      out += text[i];
    } else {
      out += static_cast<char>((byte & 0x03) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    }
  }
  return out;
}

// Framing is each host's own.
bool is_framing(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return name == "host" || name == "content-length" || name == "transfer-encoding" ||
         name == "connection";
}

Headers headers_of(const json& from) {
  Headers all;
  for (const json& header : from) all.emplace_back(bytes(header.at(0)), bytes(header.at(1)));
  return all;
}
Headers without_framing(Headers all) {
  std::erase_if(all, [](const auto& header) { return is_framing(header.first); });
  return all;
}
std::string text_of(const Headers& all) {
  std::string text;
  for (const auto& [name, value] : all) text += "\n    " + name + ": " + value;
  return text.empty() ? " none" : text;
}

// An error envelope without the moment at which it was written, and without its words, which the
// gateway's catalogue may have given.
std::string comparable(const std::string& body) {
  json parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object() || parsed.erase("timestamp") == 0) return body;
  if (parsed.contains("error") && parsed["error"].is_object()) parsed["error"].erase("message");
  return parsed.dump();
}

class Replay {
 public:
  Replay(FakeHost& host, Instance& filter, const json& recording)
      : host_(host),
        filter_(filter),
        calls_(recording.at("calls")),
        wall_ms_(recording.at("wall_ms").get<std::int64_t>()),
        first_(calls_.at(0).at("in")) {}

  std::vector<std::string> run() {
    Instance router(host_, straight_router(), "", "straight");
    if (router.start() != GW_OK) throw std::runtime_error("the router does not start");
    host_.set_wall_ms(wall_ms_);
    Exchange exchange(host_, {&filter_, &router}, request(),
                      [this](const UpstreamRequest&) { return answer_from_behind(); });
    host_.run();
    for (std::uint32_t waited = 0; !exchange.done() && !exchange.streaming(); waited += kStepMs) {
      if (waited >= kLongestMs) {
        found_.push_back("the exchange does not end");
        return std::move(found_);
      }
      host_.advance(kStepMs);
    }
    compare(exchange);
    return std::move(found_);
  }

 private:
  // The last of those calls, or null.
  const json* last(std::initializer_list<std::string_view> names) const {
    const json* found = nullptr;
    for (const json& call : calls_)
      if (std::find(names.begin(), names.end(), call.at("call").get<std::string>()) != names.end())
        found = &call;
    return found;
  }

  // What came piece by piece: each call repeats what the one before did not consume.
  std::vector<std::string> pieces(std::string_view name) const {
    std::vector<std::string> all;
    std::size_t kept = 0;
    for (const json& call : calls_) {
      if (call.at("call") != name) continue;
      const std::string data = bytes(call.at("in").at("data"));
      all.push_back(data.substr(std::min(kept, data.size())));
      kept = data.size() - std::min(call.at("out").at("consumed").get<std::size_t>(), data.size());
    }
    return all;
  }

  RequestSpec request() const {
    RequestSpec spec;
    spec.method = bytes(first_.at("method"));
    spec.target = bytes(first_.at("path"));
    if (const std::string query = bytes(first_.at("query")); !query.empty())
      spec.target += "?" + query;
    spec.authority = bytes(first_.at("authority"));
    spec.headers = without_framing(headers_of(first_.at("headers")));
    for (const auto& [name, value] : first_.at("attributes").items())
      spec.attributes[name] = bytes(value);
    spec.body = pieces("on_request_body");
    return spec;
  }

  UpstreamAnswer answer_from_behind() const {
    UpstreamAnswer answer;
    if (const json* head = last({"on_response_head"})) {
      answer.status = head->at("in").at("status");
      answer.headers = without_framing(headers_of(head->at("in").at("headers")));
    } else if (const json* end = last({"on_complete"})) {
      const std::uint32_t status = end->at("in").at("status");
      if (status != 0) answer.status = status;
    }
    answer.body = pieces("on_response_body");
    return answer;
  }

  void expect(const std::string& what, const std::string& then, const std::string& now) {
    if (then != now) found_.push_back(what + ": " + now + ", then " + then);
  }
  void expect(const std::string& what, const Headers& then, const Headers& now) {
    if (without_framing(then) != without_framing(now))
      found_.push_back(what + ":" + text_of(now) + "\n  then:" + text_of(then));
  }

  void compare(const Exchange& exchange) {
    const json* asked = last({"on_request_head", "on_resume"});
    const json& out = asked->at("out");
    for (const auto& [name, value] : out.at("attributes").items())
      expect("attribute " + name, bytes(value), exchange.attribute(name).value_or("(unset)"));
    for (const json& call : calls_)
      if (call.contains("out") && call.at("out").contains("answer"))
        return compare_answer(call.at("out").at("answer"), exchange);
    if (exchange.upstream_requests().empty()) {
      found_.push_back("the request does not go on: answered with " +
                       std::to_string(exchange.status()));
      return;
    }
    const UpstreamRequest& sent = exchange.upstream_requests()[0];
    expect("path", bytes(out.at("path")), sent.path);
    expect("query", bytes(out.at("query")), sent.query);
    expect("headers of the request", headers_of(out.at("headers")), sent.headers);
    const json* answered = last({"on_response_head"});
    if (answered == nullptr) return;
    expect("status", answered->at("out").at("status").dump(), std::to_string(exchange.status()));
    expect("headers of the answer", headers_of(answered->at("out").at("headers")),
           exchange.headers());
  }

  void compare_answer(const json& answer, const Exchange& exchange) {
    expect("status", answer.at("status").dump(), std::to_string(exchange.status()));
    if (answer.at("stream") == true) {
      if (!exchange.streaming() && !exchange.ended()) found_.push_back("opens no stream");
      return;
    }
    expect("headers of the answer", headers_of(answer.at("headers")), exchange.headers());
    if (first_.at("method") != "HEAD")
      expect("body", comparable(bytes(answer.at("body"))), comparable(exchange.body()));
  }

  FakeHost& host_;
  Instance& filter_;
  const json& calls_;
  const std::int64_t wall_ms_;
  const json& first_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> read_recordings(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) all.push_back(std::move(line));
  return all;
}

std::vector<std::string> replay(FakeHost& host, Instance& filter, std::string_view recording) {
  try {
    const json parsed = json::parse(recording);
    if (parsed.at("recording") != 1) throw std::runtime_error("a recording of another edition");
    if (parsed.at("calls").at(0).at("call") != "on_request_head")
      throw std::runtime_error("a recording without its beginning");
    return Replay(host, filter, parsed).run();
  } catch (const json::exception& error) {
    throw std::runtime_error(std::string("no recording: ") + error.what());
  }
}

}  // namespace gw::testing
