// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite over the fake host, so that what plugins are tested with is what they will
// meet.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "testing/fake_host.h"

namespace gw::testing {
namespace {

using Json = nlohmann::json;

const gw_plugin& load(const std::string& name) {
  std::string path = std::string(GW_CONFORMANCE_PLUGINS "/") + name + ".so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) throw std::runtime_error(dlerror());
  return *static_cast<const gw_plugin*>(dlsym(library, "gw_plugin_entry"));
}

Json read_cases() {
  std::ifstream file(GW_CONFORMANCE_CASES);
  return Json::parse(file);
}

// The digits in turn, in so many pieces.
std::vector<std::string> make_body(const Json& one) {
  std::size_t length = one.value("length_sent", 0u), pieces = one.value("pieces", 1u);
  std::vector<std::string> body(pieces);
  for (std::size_t i = 0; i < length; ++i)
    body[i * pieces / length] += static_cast<char>('0' + i % 10);
  return body;
}

RequestSpec make_request(const Json& one) {
  RequestSpec request;
  request.method = one.value("method", "GET");
  request.target = one.value("target", "/conformance/" + one["name"].get<std::string>());
  request.authority = "127.0.0.1:8080";
  if (one.contains("headers"))
    for (const auto& header : one["headers"]) request.headers.emplace_back(header[0], header[1]);
  if (one.contains("length_sent")) {
    request.body = make_body(one);
    request.headers.emplace_back("X-Length", std::to_string(one["length_sent"].get<int>()));
  }
  return request;
}

void check_answer(const Json& one, const Exchange& x) {
  EXPECT_EQ(x.status(), one.value("status", 200u)) << x.body();
  if (one.contains("code")) {
    Json envelope = Json::parse(x.body());
    EXPECT_EQ(envelope["error"]["code"], one["code"]);
    EXPECT_EQ(envelope["error"]["status"], one["status"]);
    EXPECT_EQ(envelope["success"], false);
    if (one.contains("message")) {
      EXPECT_EQ(envelope["error"]["message"], one["message"]);
    }
    if (one.contains("trace_id")) {
      EXPECT_EQ(envelope["traceId"], one["trace_id"]);
    }
  } else if (one.contains("ends")) {
    EXPECT_TRUE(x.body().ends_with(one["ends"].get<std::string>())) << x.body().size();
  } else if (one.contains("length")) {
    EXPECT_EQ(x.body().size(), one["length"].get<std::size_t>());
  } else {
    EXPECT_EQ(x.body(), one.value("body", "ok\n"));
  }
  if (!one.contains("answer_headers")) return;
  for (const auto& [name, value] : one["answer_headers"].items())
    EXPECT_EQ(x.header(name), value.get<std::string>()) << name;
}

class ConformanceTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  // A call of one exchange's router, or of a call-out, for the pipeline itself.
  UpstreamAnswer again(const UpstreamRequest& request) {
    if (request.address != "127.0.0.1:8080") return {.failure = GW_ATTEMPT_REFUSED};
    EXPECT_EQ(request.header("X-Routed"), "yes");
    return serve(request.method, request.path, request.headers, request.body);
  }
  UpstreamAnswer serve(const std::string& method, const std::string& path,
                       std::vector<std::pair<std::string, std::string>> headers,
                       const std::string& body) {
    Exchange x(host, pipeline(path),
               {.method = method, .target = path, .headers = std::move(headers), .body = {body}});
    EXPECT_TRUE(x.done());
    return {.status = x.status(), .headers = x.headers(), .body = {x.body()}};
  }
  std::optional<CallAnswer> call(const CallRequest& request) {
    constexpr std::string_view kSelf = "http://127.0.0.1:8080";
    if (!request.url.starts_with(kSelf))
      return CallAnswer{.status = GW_ERROR, .error = "connection refused"};
    UpstreamAnswer answer =
        serve(request.method, request.url.substr(kSelf.size()), request.headers, request.body);
    return CallAnswer{
        .http_status = answer.status, .body = answer.body[0], .headers = answer.headers};
  }
  std::vector<Instance*> all() { return {outer.get(), inner.get(), router.get()}; }
  // As in the gateway's configuration: a filter that answers bodies itself stands last.
  std::vector<Instance*> pipeline(const std::string& target) {
    if (target.starts_with("/conformance/own/")) return {outer.get(), inner.get()};
    return all();
  }

  // Another instance takes a stream over; one that is not to be handed over stays.
  void check_hand_over(const gw_plugin& filter) {
    Instance next(host, filter, "", "conformance");
    ASSERT_EQ(next.start(), GW_OK);
    Exchange moves(host, all(), {.target = "/conformance/stream-handover"});
    Exchange stays(host, all(), {.target = "/conformance/stream-stop"});
    const HandOver handed = hand_over(*inner, next);
    EXPECT_EQ(handed.moved, 1u);
    EXPECT_EQ(handed.kept, 1u);
    EXPECT_TRUE(host.run_until([&] { return moves.ended(); }));
    EXPECT_EQ(moves.body(), "open\nadopted\n");
    EXPECT_TRUE(stays.streaming());
  }

  FakeHost host{GetParam()};
  std::unique_ptr<Instance> outer, inner, router;
};

TEST_P(ConformanceTest, EveryCase) {
  host.collect_breaches();  // the suite breaks rules on purpose
  host.on_call([this](const CallRequest& request) { return call(request); });
  const gw_plugin* const filter = &load("conformance");
  outer = std::make_unique<Instance>(host, *filter, R"(role = "outer")", "outer");
  inner = std::make_unique<Instance>(host, *filter, "", "conformance");
  router = std::make_unique<Instance>(host, load("conformance_router"), "", "router");
  host.set_report("plugins", "{}");
  for (Instance* instance : all()) {
    for (const auto& complaint : instance->complaints()) ADD_FAILURE() << complaint;
    ASSERT_EQ(instance->start(), GW_OK);
  }
  std::uint32_t turn = 0;
  for (const Json& one : read_cases()) {
    SCOPED_TRACE(one.dump());
    RequestSpec request = make_request(one);
    request.worker = turn++ % GetParam();
    Exchange x(host, pipeline(request.target), request,
               [this](const UpstreamRequest& sent) { return again(sent); });
    if (one.value("slow", false)) {
      x.block(true);
      host.advance(100);
      x.block(false);
    }
    if (one.value("leave", false)) {
      EXPECT_TRUE(host.run_until([&] { return x.body() == one["body"].get<std::string>(); }));
      x.leave();
      continue;
    }
    EXPECT_TRUE(host.run_until([&] { return x.done() && !x.streaming(); }));
    check_answer(one, x);
  }
  check_hand_over(*filter);
  Exchange last(host, all(), {.target = "/conformance/stream-stop"});
  EXPECT_TRUE(last.streaming());
  last.drain();
  EXPECT_TRUE(last.ended());
  EXPECT_EQ(last.body(), "open\ngoodbye\n");
}

INSTANTIATE_TEST_SUITE_P(Workers, ConformanceTest, ::testing::Values(1u, 3u));

TEST(ConformanceCommandTest, RunsOnAnInstanceThatNeverStarted) {
  FakeHost host;
  Instance instance(host, load("conformance"), "");
  auto result = instance.command("conformance", {"one", "", "drei\xc3\xa4"});
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "one\n\ndrei\xc3\xa4\n");
  result = instance.command("conformance", {});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.error, "no arguments\n");
}

TEST(ConformanceCommandTest, ConfigurationIsChecked) {
  FakeHost host;
  for (const char* wrong : {"role = \"middle\"", "wait = \"41ms\"", "room = \"1KiB\"",
                            "words = [\"one\"]", "rules = []", "rulez = []", "wait = true"}) {
    Instance instance(host, load("conformance"), wrong);
    EXPECT_FALSE(instance.created()) << wrong;
    EXPECT_EQ(instance.complaints().size(), 1u) << wrong;
  }
}

}  // namespace
}  // namespace gw::testing
