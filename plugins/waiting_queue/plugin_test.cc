// SPDX-License-Identifier: Apache-2.0
//
// The plugin as clients see it, through the fake host, over both stores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <gateway/json.hpp>
#include <gateway/plugin.hpp>

#include "redis_server_for_test.h"
#include "testing/fake_host.h"

extern "C" const gw_plugin gw_plugin_entry;

namespace gw::queue {
namespace {

using testing::FakeHost;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RequestSpec;
using Client = testing::Exchange;

class QueuePlugin : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    redis_ = std::string_view(GetParam()) == "redis";
    if (!redis_) return;
    ASSERT_TRUE(RedisServer::installed()) << "not here: tools/setup.sh test";
    server().run({"FLUSHALL"});
  }
  void TearDown() override {
    if (HasFailure() && host_)
      for (const auto& line : host_->log()) std::printf("log: %s\n", line.text.c_str());
    clients_.clear();
    instance_.reset();
    host_.reset();
  }
  static RedisServer& server() {
    static RedisServer server;
    return server;
  }

  void start(std::string more = "capacity = 1", std::uint32_t workers = 1) {
    workers_ = workers;
    host_ = std::make_unique<FakeHost>(workers);
    std::string store = redis_ ? "unix:" + server().socket() : "memory";
    more += "\ncommand_timeout = \"60s\"";  // the test's clock runs faster than the server
    instance_ = std::make_unique<testing::Instance>(*host_, gw_plugin_entry,
                                                    "store = \"" + store + "\"\n" + more);
    ASSERT_TRUE(instance_->created()) << ::testing::PrintToString(instance_->complaints());
    ASSERT_EQ(instance_->start(), GW_OK);
    if (redis_) wait([&] { return host_->health("redis") == GW_UP; });
    settle();
  }
  // In real time where a server has to answer.
  void wait(const std::function<bool()>& done) { EXPECT_TRUE(host_->run_until(done, 20000)); }
  // Until what has happened so far has had its effects: replies come in the order of the commands
  // on each worker, and messages in the order in which they were published.
  void settle() {
    host_->run();
    if (!redis_) return;
    fence_workers();
    const auto fences = fences_heard();
    wait([&] { return server().number({"PUBLISH", "queue:events", "fence"}) == 1; });
    wait([&] { return fences_heard() > fences; });
    fence_workers();
    host_->run();
  }
  void fence_workers() {
    for (std::uint32_t worker = 0; worker < workers_; ++worker)
      call("GET", "/api/v1/queue/status", "fence", worker);
  }
  std::ptrdiff_t fences_heard() const {
    const auto& log = host_->log();
    return std::count_if(log.begin(), log.end(), [](const auto& line) {
      return line.text.find("not ours") != std::string::npos;
    });
  }
  // In steps that leave the subscriber time to hear: silence would mean a dead connection to it.
  void live(std::uint32_t ms) {
    for (; ms > 0; ms -= std::min<std::uint32_t>(ms, 500)) {
      host_->advance(std::min<std::uint32_t>(ms, 500));
      settle();
    }
  }
  Client& open(std::string method, std::string target, std::string user, std::uint32_t worker = 0,
               std::string request_id = {}) {
    RequestSpec spec;
    spec.method = std::move(method);
    spec.target = std::move(target);
    spec.worker = worker;
    if (!user.empty()) spec.attributes["identity.subject"] = std::move(user);
    if (!request_id.empty()) spec.attributes["request.id"] = std::move(request_id);
    clients_.push_back(
        std::make_unique<Client>(*host_, std::vector<testing::Instance*>{instance_.get()}, spec));
    return *clients_.back();
  }
  Client& call(std::string method, std::string target, std::string user, std::uint32_t worker = 0) {
    Client& client = open(std::move(method), std::move(target), std::move(user), worker);
    wait([&] { return client.done(); });
    return client;
  }
  Client& line_up(std::string user, std::uint32_t worker = 0) {
    return call("POST", "/api/v1/queue/lineup", std::move(user), worker);
  }
  Client& stream(std::string user, std::uint32_t worker = 0) {
    Client& client = call("GET", "/api/v1/queue/stream", std::move(user), worker);
    EXPECT_TRUE(client.streaming() || client.ended());
    return client;
  }
  void expect_event(Client& client, std::string_view text) {
    wait([&] { return client.body().find(text) != std::string::npos; });
    EXPECT_THAT(client.body(), HasSubstr(std::string(text)));
  }
  static std::size_t count(std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size()) ++found;
    return found;
  }
  static nlohmann::json json(const Client& client) {
    return parse_json(client.body()).value_or(nlohmann::json());
  }
  static std::string message(const Client& client) { return json(client).value("message", ""); }

  bool redis_ = false;
  std::uint32_t workers_ = 1;
  std::unique_ptr<FakeHost> host_;
  std::unique_ptr<testing::Instance> instance_;
  std::vector<std::unique_ptr<Client>> clients_;
};

INSTANTIATE_TEST_SUITE_P(Stores, QueuePlugin, ::testing::Values("memory", "redis"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST_P(QueuePlugin, lineup_answers_with_the_three_messages) {
  start();
  Client& first = line_up("ann");
  EXPECT_EQ(first.status(), 200u);
  EXPECT_EQ(first.header("content-type"), "application/json");
  EXPECT_EQ(json(first).value("success", false), true);
  EXPECT_THAT(json(first).value("timestamp", ""), ::testing::EndsWith("Z"));
  EXPECT_EQ(message(first), "바로 입장 가능합니다.");
  EXPECT_EQ(message(line_up("ann")), "이미 입장 가능한 상태입니다.");
  EXPECT_EQ(message(line_up("bob")), "대기열에 등록되었습니다.");
  EXPECT_EQ(host_->metric("gateway_queue_lineups_total", {{"result", "queued"}}), 1);
}

TEST_P(QueuePlugin, status_answers_for_all_three_standings) {
  start();
  line_up("ann"), line_up("bob"), line_up("cat");
  Client& admitted = call("GET", "/api/v1/queue/status", "ann");
  EXPECT_EQ(admitted.status(), 200u);
  EXPECT_EQ(message(admitted), "입장 가능합니다.");
  Client& waiting = call("GET", "/api/v1/queue/status", "bob");
  EXPECT_EQ(waiting.status(), 200u);
  EXPECT_EQ(json(waiting)["data"],
            (nlohmann::json{{"totalQueueSize", 2}, {"userQueuePosition", 1}, {"usersBehind", 1}}));
  Client& absent = call("GET", "/api/v1/queue/status", "zoe");
  EXPECT_EQ(absent.status(), 404u);
  EXPECT_EQ(absent.error_code(), "USER_ID_NOT_FOUND");
}

TEST_P(QueuePlugin, needs_a_user_and_the_right_method) {
  start();
  Client& nobody = call("POST", "/api/v1/queue/lineup", "");
  EXPECT_EQ(nobody.status(), 401u);
  EXPECT_EQ(nobody.error_code(), "USER_ID_REQUIRED");
  EXPECT_EQ(call("POST", "/api/v1/reservations", "").status(), 401u);
  EXPECT_EQ(line_up(std::string(257, 'x')).status(), 401u);
  Client& wrong = call("GET", "/api/v1/queue/lineup", "ann");
  EXPECT_EQ(wrong.status(), 405u);
  EXPECT_EQ(wrong.error_code(), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(wrong.header("allow"), "POST");
}

TEST_P(QueuePlugin, leaving_frees_the_slot_for_the_next) {
  start();
  line_up("ann"), line_up("bob"), line_up("cat");
  Client& gone = call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  EXPECT_EQ(gone.status(), 200u);
  EXPECT_EQ(message(gone), "입장 토큰이 무효화되었습니다.");
  EXPECT_EQ(message(call("GET", "/api/v1/queue/status", "bob")), "입장 가능합니다.");
  Client& none = call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  EXPECT_EQ(none.status(), 404u);
  EXPECT_EQ(json(none)["error"]["code"], "NOT_FOUND");
  EXPECT_EQ(json(none)["error"]["status"], 404);
  EXPECT_EQ(json(none)["error"]["message"], "무효화할 입장 토큰이 없습니다.");
  EXPECT_EQ(message(call("DELETE", "/api/v1/queue/waiting-token", "cat")),
            "대기열 토큰이 무효화되었습니다.");
  EXPECT_EQ(json(call("DELETE", "/api/v1/queue/waiting-token", "cat"))["error"]["message"],
            "무효화할 대기열 토큰이 없습니다.");
}

TEST_P(QueuePlugin, missing_token_may_be_answered_as_the_original_did) {
  start("missing_token_status = 200");
  Client& none = call("DELETE", "/api/v1/queue/waiting-token", "ann");
  EXPECT_EQ(none.status(), 200u);
  EXPECT_EQ(json(none)["success"], false);
  EXPECT_EQ(json(none)["error"]["status"], 404);
  EXPECT_EQ(json(none)["error"]["message"], "무효화할 대기열 토큰이 없습니다.");
  EXPECT_EQ(json(none)["error"]["path"], "/api/v1/queue/waiting-token");
}

TEST_P(QueuePlugin, the_gate_knows_who_may_pass) {
  start();
  line_up("ann"), line_up("bob");
  Client& admitted = call("POST", "/api/v1/reservations", "ann");
  EXPECT_NE(admitted.status(), 403u);
  EXPECT_NE(admitted.status(), 429u);
  Client& waiting = call("POST", "/api/v1/reservation-seats/12/hold", "bob");
  EXPECT_EQ(waiting.status(), 429u);
  EXPECT_EQ(message(waiting), "대기 중입니다.");
  EXPECT_EQ(json(waiting)["success"], true);
  EXPECT_EQ(json(waiting)["data"]["userQueuePosition"], 1);
  Client& absent = call("POST", "/api/v1/reservations", "zoe");
  EXPECT_EQ(absent.status(), 403u);
  EXPECT_EQ(absent.error_code(), "NOT_IN_QUEUE");
  EXPECT_NE(call("GET", "/api/v1/reservations", "zoe").status(), 403u) << "only POST is gated";
}

TEST_P(QueuePlugin, a_request_id_makes_a_retry_harmless) {
  start("capacity = 0");
  Client& one = open("POST", "/api/v1/queue/lineup", "ann", 0, "id-1");
  wait([&] { return one.done(); });
  line_up("bob");
  Client& again = open("POST", "/api/v1/queue/lineup", "ann", 0, "id-1");
  wait([&] { return again.done(); });
  EXPECT_EQ(json(call("GET", "/api/v1/queue/status", "ann"))["data"]["userQueuePosition"], 1);
}

TEST_P(QueuePlugin, a_stream_tells_place_admission_and_ends) {
  start("capacity = 1", 2);
  line_up("ann"), line_up("bob", 1);
  Client& bob = stream("bob", 1);
  EXPECT_EQ(bob.header("content-type"), "text/event-stream");
  EXPECT_EQ(bob.header("x-accel-buffering"), "no");
  EXPECT_THAT(bob.body(), ::testing::StartsWith("retry: "));
  expect_event(bob,
               "event: STATUS_UPDATE\ndata: "
               "{\"totalQueueSize\":1,\"userQueuePosition\":1,\"usersBehind\":0}\n\n");
  call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  expect_event(bob, "event: ALLOWED_IN\ndata: {\"message\":\"입장 가능합니다.\"}\n\n");
  wait([&] { return bob.ended(); });
  settle();
  EXPECT_EQ(host_->metric("gateway_queue_streams"), 0);
}

TEST_P(QueuePlugin, a_stream_of_someone_admitted_ends_at_once) {
  start();
  line_up("ann");
  Client& ann = stream("ann");
  expect_event(ann, "event: ALLOWED_IN");
  EXPECT_TRUE(ann.ended());
}

TEST_P(QueuePlugin, a_stream_of_a_stranger_stays_open_and_serves_after_the_lineup) {
  start("capacity = 0", 2);
  Client& zoe = stream("zoe", 1);
  expect_event(zoe,
               "event: ERROR\ndata: {\"code\":\"NOT_IN_QUEUE\",\"message\":\"대기열에 등록되지 "
               "않은 사용자입니다.\"}\n\n");
  EXPECT_TRUE(zoe.streaming());
  line_up("zoe", 1);
  expect_event(zoe, "event: STATUS_UPDATE");
}

TEST_P(QueuePlugin, a_stranger_admitted_at_once_is_told_so) {
  start("capacity = 5", 2);
  Client& zoe = stream("zoe", 1);
  expect_event(zoe, "event: ERROR");
  line_up("zoe", 0);
  expect_event(zoe, "event: ALLOWED_IN");
}

TEST_P(QueuePlugin, streams_get_updates_and_heartbeats) {
  start("capacity = 0");
  line_up("ann");
  Client& ann = stream("ann");
  expect_event(ann, "event: STATUS_UPDATE");
  ann.take_body();
  live(10'000);
  EXPECT_THAT(ann.body(), HasSubstr("event: STATUS_UPDATE"));
  live(20'000);
  EXPECT_THAT(ann.body(), HasSubstr("event: HEARTBEAT\ndata: {\"timestamp\":"));
}

TEST_P(QueuePlugin, an_open_stream_keeps_the_place_however_rarely_it_is_told) {
  start("capacity = 0\npresence_timeout_seconds = 4\nstatus_interval = \"60s\"");
  line_up("ann");
  Client& ann = stream("ann");
  expect_event(ann, "event: STATUS_UPDATE");
  for (int minute = 0; minute < 5; ++minute) {
    ann.take_body();
    live(60'000);
    const std::string body(ann.body());
    const std::size_t told = body.find("event: STATUS_UPDATE");
    ASSERT_NE(told, body.npos) << body;
    EXPECT_EQ(body.find("event: STATUS_UPDATE", told + 1), body.npos) << body;
    EXPECT_EQ(body.find("event: ERROR"), body.npos) << body;
  }
}

TEST_P(QueuePlugin, two_tabs_are_both_told) {
  start("capacity = 1", 2);
  line_up("ann"), line_up("bob");
  Client &one = stream("bob", 0), &two = stream("bob", 0), &three = stream("bob", 1);
  settle();
  one.leave();
  settle();
  call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  expect_event(two, "event: ALLOWED_IN");
  expect_event(three, "event: ALLOWED_IN");
}

TEST_P(QueuePlugin, a_stream_elsewhere_keeps_the_user_present) {
  start("capacity = 1", 2);
  line_up("ann"), line_up("bob"), line_up("cat");
  Client &one = stream("bob", 0), &two = stream("bob", 1);
  expect_event(one, "event: STATUS_UPDATE");
  expect_event(two, "event: STATUS_UPDATE");
  one.leave();
  settle();
  call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  expect_event(two, "event: ALLOWED_IN");
  EXPECT_EQ(json(call("GET", "/api/v1/queue/status", "cat"))["data"]["userQueuePosition"], 1);
}

TEST_P(QueuePlugin, who_closed_the_last_stream_is_passed_over) {
  start();
  line_up("ann"), line_up("bob"), line_up("cat");
  Client& bob = stream("bob");
  expect_event(bob, "event: STATUS_UPDATE");
  bob.leave();
  settle();
  call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  EXPECT_EQ(message(call("GET", "/api/v1/queue/status", "cat")), "입장 가능합니다.");
  Client& back = call("GET", "/api/v1/queue/status", "bob");
  EXPECT_EQ(json(back)["data"]["userQueuePosition"], 1);
}

TEST_P(QueuePlugin, draining_says_when_to_come_back_and_keeps_the_place) {
  start();
  line_up("ann"), line_up("bob");
  Client& bob = stream("bob");
  expect_event(bob, "event: STATUS_UPDATE");
  bob.take_body();
  bob.drain();
  settle();
  EXPECT_THAT(bob.body(), HasSubstr("retry: "));
  EXPECT_TRUE(bob.ended());
  call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  EXPECT_EQ(message(call("GET", "/api/v1/queue/status", "bob")), "입장 가능합니다.")
      << "not passed over";
}

TEST_P(QueuePlugin, says_how_long_it_will_take_when_that_is_known) {
  const std::string longest(1000, '\\');
  start("capacity = 1\nnotice = '" + longest + "'");
  for (int i = 0; i < 16; ++i) line_up("u" + std::to_string(i));
  auto data = [](const Client& client) { return json(client)["data"]; };
  EXPECT_FALSE(data(call("GET", "/api/v1/queue/status", "u15")).contains("estimatedWaitSeconds"));
  for (int i = 0; i < 12; ++i) {
    call("DELETE", "/api/v1/queue/allowed-in-token", "u" + std::to_string(i));
    live(3000);
  }
  for (const Client* asked : {&call("GET", "/api/v1/queue/status", "u15"),
                              &call("POST", "/api/v1/reservations", "u15")}) {
    const nlohmann::json wait = data(*asked)["estimatedWaitSeconds"];
    EXPECT_LE(wait.value("min", 1000), 9);  // the third in line; one goes every 3 s
    EXPECT_GE(wait.value("max", 0), 9);
    EXPECT_LE(wait.value("max", 0), 30);
  }
  Client& waiting = stream("u15");
  expect_event(waiting, "\"estimatedWaitSeconds\":{\"min\":");
  expect_event(waiting, longest + longest + "\"}\n\n");  // escaped, and whole
}

TEST_P(QueuePlugin, too_many_streams_of_one_user_are_refused) {
  start("capacity = 0\nmax_streams_per_user = 2\nmax_streams = 3");
  line_up("ann");
  stream("ann"), stream("ann");
  EXPECT_EQ(call("GET", "/api/v1/queue/stream", "ann").status(), 429u);
  stream("bob");
  EXPECT_EQ(call("GET", "/api/v1/queue/stream", "cat").status(), 503u);
}

TEST_P(QueuePlugin, a_client_that_does_not_read_is_told_of_its_admission_later) {
  start();
  line_up("ann"), line_up("bob");
  Client& bob = stream("bob");
  expect_event(bob, "event: STATUS_UPDATE");
  host_->set_stream_cap(16);
  bob.block(true);
  call("DELETE", "/api/v1/queue/allowed-in-token", "ann");
  settle();
  EXPECT_THAT(bob.body(), Not(HasSubstr("ALLOWED_IN")));
  host_->set_stream_cap(65536);
  bob.block(false);
  live(10'500);
  expect_event(bob, "event: ALLOWED_IN");
}

TEST_P(QueuePlugin, a_client_that_leaves_during_the_operation_harms_nothing) {
  start();
  Client& hasty = open("POST", "/api/v1/queue/lineup", "ann");
  hasty.leave();
  settle();
  EXPECT_EQ(message(line_up("ann")), "이미 입장 가능한 상태입니다.");
}

TEST_P(QueuePlugin, any_call_renews_when_configured) {
  start("capacity = 1\nduration_seconds = 10\nrenew_on = \"any\"");
  line_up("ann"), line_up("bob");
  for (int i = 0; i < 4; ++i) {
    live(2000);
    call("GET", "/api/v1/products", "ann");
  }
  EXPECT_EQ(message(call("GET", "/api/v1/queue/status", "ann")), "입장 가능합니다.");
}

TEST_P(QueuePlugin, any_call_of_the_queue_itself_renews_too) {
  start("capacity = 4\nduration_seconds = 10\nrenew_on = \"any\"");
  for (const char* user : {"ann", "bob", "cat", "dan"}) line_up(user);
  for (int i = 0; i < 4; ++i) {
    live(4000);
    call("GET", "/api/v1/queue/status", "ann");
    line_up("bob");
    call("GET", "/api/v1/queue/stream", "cat");
    call("DELETE", "/api/v1/queue/waiting-token", "dan");
  }
  live(2000);
  for (const char* user : {"ann", "bob", "cat", "dan"})
    EXPECT_EQ(call("GET", "/api/v1/queue/status", user).status(), 200u) << user;
}

TEST_P(QueuePlugin, a_place_told_already_is_left_out_when_configured) {
  start("capacity = 0\nskip_unchanged = true");
  line_up("ann"), line_up("bob");
  Client& bob = stream("bob");
  expect_event(bob, "\"userQueuePosition\":2");
  live(21'000);
  EXPECT_EQ(count(bob.body(), "STATUS_UPDATE"), 1u);
  call("DELETE", "/api/v1/queue/waiting-token", "ann");
  live(21'000);
  EXPECT_EQ(count(bob.body(), "STATUS_UPDATE"), 2u);
  EXPECT_EQ(count(bob.body(), "\"userQueuePosition\":1"), 1u);
  EXPECT_EQ(count(bob.body(), "HEARTBEAT"), 1u);
}

TEST_P(QueuePlugin, the_census_is_counted) {
  start();
  line_up("ann"), line_up("bob"), line_up("cat");
  live(1500);
  if (redis_) wait([&] { return host_->metric("gateway_queue_waiting") == 2; });
  EXPECT_EQ(host_->metric("gateway_queue_waiting"), 2);
  EXPECT_EQ(host_->metric("gateway_queue_admitted"), 1);
  EXPECT_EQ(host_->metric("gateway_queue_capacity"), 1);
}

TEST(QueueConfiguration, is_checked) {
  auto complaint = [](const std::string& text) {
    FakeHost host;
    testing::Instance instance(host, gw_plugin_entry, text);
    return instance.created() ? std::string() : ::testing::PrintToString(instance.complaints());
  };
  EXPECT_EQ(complaint("store = \"memory\""), "");
  EXPECT_EQ(complaint("[[gate]]\nmethod = \"POST\"\npath = \"/a/**\""), "");
  EXPECT_THAT(complaint("store = \"http://x\""), HasSubstr("store"));
  EXPECT_THAT(complaint("missing_token_status = 201"), HasSubstr("404"));
  EXPECT_THAT(complaint("relineup = \"front\""), HasSubstr("relineup"));
  EXPECT_THAT(complaint("[[gate]]\npath = \"/a/**/b\""), HasSubstr("gate"));
  EXPECT_THAT(complaint("capacty = 3"), HasSubstr("capacity"));
  EXPECT_THAT(complaint("notice = \"a\\nb\""), HasSubstr("must be one line"));
  EXPECT_THAT(complaint("notice = \"" + std::string(1001, 'x') + "\""), HasSubstr("1000 bytes"));
}

}  // namespace
}  // namespace gw::queue
