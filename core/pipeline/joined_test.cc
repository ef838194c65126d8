// SPDX-License-Identifier: Apache-2.0
//
// The pipeline joined with real connections: one worker that is client, gateway and upstream of
// itself. Requests to /relay/... are forwarded to its own listener as /local/....
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>

#include "http/server_connections.h"
#include "http/upstream.h"
#include "net/listen_socket.h"
#include "pipeline/dispatcher.h"
#include "pipeline/loop_scheduler.h"
#include "pipeline/tables.h"

namespace gw::pipeline {
namespace {

gw_str str(std::string_view text) {
  return {text.data(), text.size()};
}

// What the plugins of this test share; the worker's thread, except where said.
struct Site {
  std::string address;  // of the listener
  PartUse filter_use, router_use;
  std::thread waker_thread;
  gw_stream* stream = nullptr;
  std::promise<int> stream_closed;
  std::promise<void> waiting;
  std::promise<bool> aborted;
  std::atomic<int> completions{0};
};

gw_request request_of(gw_exchange* x) {
  gw_request request{};
  request.struct_size = sizeof request;
  exchange_api()->request(x, &request);
  return request;
}

std::string_view path_of(gw_exchange* x) {
  const gw_str path = request_of(x).path;
  return {path.ptr, static_cast<std::size_t>(path.len)};
}

constexpr std::size_t kLargeBytes = 8u << 20;

gw_verdict filter_head(void* part, gw_exchange* x, void**) {
  Site& site = *static_cast<Site*>(part);
  const std::string_view path = path_of(x);
  if (path == "/local/hello")
    return exchange_api()->reply(x, 200, nullptr, 0, str("hello")) == GW_OK ? GW_REPLIED : -1;
  if (path == "/local/large") {
    const std::string large(kLargeBytes, 'x');
    return exchange_api()->reply(x, 200, nullptr, 0, str(large)) == GW_OK ? GW_REPLIED : -1;
  }
  if (path == "/local/pause") {
    gw_waker waker{};
    if (exchange_api()->pause(x, 60000, GW_FAIL_CLOSED, &waker) != GW_OK) return -1;
    site.waker_thread = std::thread([waker] { exchange_api()->wake(waker); });
    return GW_PAUSE;
  }
  if (path == "/local/wait") {
    gw_waker waker{};
    site.waiting.set_value();
    return exchange_api()->pause(x, 60000, GW_FAIL_CLOSED, &waker) == GW_OK ? GW_PAUSE : -1;
  }
  if (path == "/local/deadline") {
    gw_waker waker{};
    return exchange_api()->pause(x, 20, GW_FAIL_CLOSED, &waker) == GW_OK ? GW_PAUSE : -1;
  }
  if (path == "/local/stream") {
    static constexpr gw_stream_events events = {
        sizeof(gw_stream_events),
        [](void* owner, std::int32_t reason) {
          static_cast<Site*>(owner)->stream_closed.set_value(reason);
        },
        nullptr, nullptr};
    if (stream_api()->begin(x, 200, nullptr, 0, &events, &site, &site.stream) != GW_OK) return -1;
    return stream_api()->write(site.stream, str("event: one\n\n")) == GW_OK ? GW_REPLIED : -1;
  }
  return GW_CONTINUE;
}

gw_verdict filter_resume(void*, gw_exchange* x, void**) {
  return exchange_api()->reply(x, 200, nullptr, 0, str("woken")) == GW_OK ? GW_REPLIED : -1;
}

// /local/count: answers with how many bytes came, and never holds more than it is shown.
gw_verdict filter_body(void*, gw_exchange* x, void** slot, gw_str data, std::int32_t last,
                       std::uint64_t* consumed) {
  *consumed = data.len;
  if (path_of(x) != "/local/count") return GW_CONTINUE;
  if (*slot == nullptr) *slot = exchange_api()->alloc(x, sizeof(std::uint64_t));
  auto& count = *static_cast<std::uint64_t*>(*slot);
  count += data.len;
  if (!last) return GW_CONTINUE;
  return exchange_api()->reply(x, 200, nullptr, 0, str(std::to_string(count))) == GW_OK ? GW_REPLIED
                                                                                        : -1;
}

void filter_complete(void* part, gw_exchange* x, void**, const gw_outcome* outcome) {
  Site& site = *static_cast<Site*>(part);
  ++site.completions;
  if (path_of(x) == "/local/wait") site.aborted.set_value(outcome->aborted != 0);
}

gw_verdict router_choose(void* part, gw_exchange* x, void**, const gw_attempt*, gw_endpoint* out) {
  Site& site = *static_cast<Site*>(part);
  const std::string_view path = path_of(x);
  if (path.starts_with("/relay/")) {
    const std::string local = "/local/" + std::string(path.substr(7));
    if (exchange_api()->set_target(x, str(local), {}) != GW_OK) return -1;
    out->address = str(site.address);
  } else {
    out->address = str("127.0.0.1:1");  // nobody there
  }
  return GW_CONTINUE;
}

// A worker as the server puts it together, and its thread.
class Worker {
 public:
  Worker() {
    auto opened = net::ListenSocket::open("127.0.0.1:0");
    EXPECT_TRUE(opened.ok());
    listener_ = std::move(*opened);
    site.address = listener_->address();
    auto fd = listener_->for_worker();
    EXPECT_TRUE(fd.ok());
    EXPECT_TRUE(connections_.add_listener(*fd, {"main", 0, false}).ok());
    dispatcher_.set_generation(make_generation());
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Worker() {
    EXPECT_TRUE(loop_.post([this] {
      upstream_->close_idle();
      connections_.drain(1000, [this] { loop_.stop(); });
    }));
    thread_.join();
    if (site.waker_thread.joinable()) site.waker_thread.join();
    EXPECT_EQ(dispatcher_.open_exchanges(), 0u);
    EXPECT_TRUE(site.filter_use.idle() && site.router_use.idle());
    EXPECT_EQ(site.filter_use.misuses + site.router_use.misuses, 0u);
  }
  std::uint16_t port() const { return listener_->port(); }
  void run(std::function<void()> work) {
    std::promise<void> done;
    ASSERT_TRUE(loop_.post([&] { work(), done.set_value(); }));
    done.get_future().wait();
  }
  Site site;

 private:
  std::unique_ptr<WorkerGeneration> make_generation() {
    site.filter_use.instance = "filter";
    site.router_use.instance = "router";
    gw_filter_api filter{};
    filter.struct_size = sizeof filter;
    filter.on_request_head = filter_head;
    filter.on_request_body = filter_body;
    filter.on_resume = filter_resume;
    filter.on_complete = filter_complete;
    gw_router_api router{};
    router.struct_size = sizeof router;
    router.choose = router_choose;
    Chain local;
    local.match = *ChainMatch::compile({"/local/**"}, {}, {});
    local.filters.push_back(make_filter_step(&filter, &site, site.filter_use));
    Chain relay;
    relay.filters = local.filters;
    relay.router = make_router_step(&router, &site, site.router_use);
    auto generation = std::make_unique<WorkerGeneration>();
    for (Chain* chain : {&local, &relay}) {
      chain->finish();
      generation->chains.push_back(std::move(*chain));
    }
    return generation;
  }

  base::SystemClock clock_;
  http::ConnectionCount count_;
  http::HttpMetrics metrics_;
  net::Loop loop_;
  std::unique_ptr<net::ListenSocket> listener_;
  std::unique_ptr<http::UpstreamPool> upstream_ = http::make_upstream_pool(loop_, {});
  LoopScheduler scheduler_{loop_};
  Dispatcher dispatcher_{{*upstream_, clock_, scheduler_, {}}};
  http::ServerConnections connections_{{loop_, dispatcher_, count_, metrics_, clock_, {}},
                                       std::make_shared<http::ServerSettings>()};
  std::thread thread_;
};

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience{60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~Client() { leave(); }
  void leave() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // As when the machine behind it goes: a mere close could also be a client that has said all.
  void break_off() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    leave();
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void get(const std::string& path) { send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"); }
  // Reads until `end` is the end of what came.
  std::string read_to(std::string_view end) {
    while (!in_.ends_with(end) && more()) {
    }
    return std::exchange(in_, "");
  }
  // An answer with a Content-Length or in chunks: status line and body.
  std::pair<std::string, std::string> answer() {
    while (in_.find("\r\n\r\n") == std::string::npos && more()) {
    }
    const std::size_t head_end = in_.find("\r\n\r\n");
    EXPECT_NE(head_end, std::string::npos) << in_;
    const std::string head = in_.substr(0, head_end);
    in_.erase(0, head_end + 4);
    std::string body;
    const std::size_t length = head.find("Content-Length: ");
    if (length != std::string::npos) {
      const std::size_t size = std::stoul(head.substr(length + 16));
      while (in_.size() < size && more()) {
      }
      body = in_.substr(0, size);
      in_.erase(0, size);
    }
    return {head.substr(0, head.find("\r\n")), body};
  }
  bool more() {
    char buffer[65536];
    ssize_t got = 0;
    do {
      got = ::recv(fd_, buffer, sizeof buffer, 0);
    } while (got < 0 && errno == EINTR);
    EXPECT_GE(got, 0) << std::strerror(errno);
    if (got > 0) in_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }

 private:
  int fd_;
  std::string in_;
};

TEST(Joined, LocalAndRelayedOnOneConnection) {
  Worker worker;
  Client client(worker.port());
  for (int i = 0; i < 3; ++i) {
    for (const char* path : {"/local/hello", "/relay/hello"}) {
      client.get(path);
      const auto [status, body] = client.answer();
      EXPECT_EQ(status, "HTTP/1.1 200 OK") << path;
      EXPECT_EQ(body, "hello") << path;
    }
  }
}

TEST(Joined, PipelinedRequestsAreAnsweredInOrder) {
  Worker worker;
  Client client(worker.port());
  std::string all;
  for (const char* path : {"/relay/hello", "/local/deadline", "/local/hello", "/relay/hello"})
    all += std::string("GET ") + path + " HTTP/1.1\r\nHost: h\r\n\r\n";
  client.send(all);
  EXPECT_EQ(client.answer().second, "hello");
  EXPECT_EQ(client.answer().first, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(client.answer().second, "hello");
  EXPECT_EQ(client.answer().second, "hello");
}

TEST(Joined, LargeBodiesBothWays) {
  Worker worker;
  Client client(worker.port());
  const std::string body(5u << 20, 'y');
  for (const char* path : {"/local/count", "/relay/count"}) {
    client.send(std::string("POST ") + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n");
    client.send(body);
    EXPECT_EQ(client.answer().second, std::to_string(body.size())) << path;
  }
  client.send("POST /relay/count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 50; ++i) {
    client.send("1000\r\n");
    client.send(std::string(4096, 'z'));
    client.send("\r\n");
  }
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.answer().second, std::to_string(50 * 4096));
  for (const char* path : {"/local/large", "/relay/large"}) {
    client.get(path);
    EXPECT_EQ(client.answer().second.size(), kLargeBytes) << path;
  }
}

TEST(Joined, RefusedUpstreamAndTooLargeBody) {
  Worker worker;
  Client client(worker.port());
  client.get("/nobody");
  const auto [status, body] = client.answer();
  EXPECT_EQ(status, "HTTP/1.1 502 Bad Gateway");
  EXPECT_NE(body.find("EXTERNAL_API_ERROR"), std::string::npos);
  client.send("POST /nobody HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_EQ(client.answer().first, "HTTP/1.1 413 Content Too Large");
}

TEST(Joined, PauseWokenByAnotherThread) {
  Worker worker;
  Client client(worker.port());
  client.get("/local/pause");
  EXPECT_EQ(client.answer().second, "woken");
}

TEST(Joined, ClientLeavesDuringAPause) {
  Worker worker;
  Client client(worker.port());
  client.get("/local/wait");
  worker.site.waiting.get_future().wait();
  client.break_off();
  EXPECT_TRUE(worker.site.aborted.get_future().get());
}

TEST(Joined, StreamsFlowAndEnd) {
  Worker worker;
  for (const char* path : {"/local/stream", "/relay/stream"}) {
    SCOPED_TRACE(path);
    worker.site.stream_closed = {};
    {
      Client client(worker.port());
      client.get(path);
      EXPECT_NE(client.read_to("event: one\n\n\r\n").find(" 200 "), std::string::npos);
      worker.run([&] {
        EXPECT_EQ(stream_api()->write(worker.site.stream, str("event: two\n\n")), GW_OK);
      });
      EXPECT_NE(client.read_to("event: two\n\n\r\n"), "");
      worker.run([&] { stream_api()->end(worker.site.stream); });
      EXPECT_EQ(client.read_to("0\r\n\r\n"), "0\r\n\r\n");
    }
    Client client(worker.port());
    client.get(path);
    client.read_to("event: one\n\n\r\n");
    client.break_off();
    EXPECT_EQ(worker.site.stream_closed.get_future().get(), GW_STREAM_CLIENT_GONE);
  }
}

}  // namespace
}  // namespace gw::pipeline
