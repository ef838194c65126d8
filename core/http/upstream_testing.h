// SPDX-License-Identifier: Apache-2.0
//
// A pool, a service by script, and calls that note what their owners heard.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/testing_support.h"
#include "http/upstream.h"
#include "http/upstream_pool.h"

namespace gw::http::testing {

// One call and what its owner heard.
struct Call final : UpstreamSink {
  Call(LoopThread& its_thread, UpstreamPool& its_pool, const std::string& its_address)
      : thread(its_thread), pool(its_pool), address(its_address) {
    target.address = address;
    target.host = "service.example";
    head.method = "GET";
    head.path = "/x";
  }
  ~Call() override {
    thread.run([&] {
      if (call != nullptr) call->cancel();
    });
  }
  void start() {
    thread.run([&] { call = pool.start(target, head, arena, *this); });
  }
  void with_body(Framing how, std::uint64_t length = 0) {
    head.method = "POST";
    head.framing = how;
    head.content_length = length;
  }
  bool wait() {
    return thread.wait_until([&] { return over; });
  }

  void on_informational(const ResponseHead& it) override { informational.push_back(it.status); }
  void on_head(ResponseHead& it) override {
    status = it.status;
    framing = it.framing;
    content_length = it.content_length;
    for (const Field& field : it.fields) {
      fields += std::string(field.name) + "=" + std::string(field.value) + "\n";
    }
    if (pause_at_head) call->pause_reading();
    if (cancel_at_head) {
      std::exchange(call, nullptr)->cancel();
      over = true;
    }
  }
  void on_body(std::string_view data, bool last) override {
    EXPECT_FALSE(over);
    body.append(data);
    if (!last) return;
    over = true;
    if (request_over) call = nullptr;
  }
  void on_writable() override { ++writable; }
  void on_failed(const UpstreamFailureInfo& info) override {
    EXPECT_FALSE(over);
    failure = info.failure;
    stale = info.stale_connection;
    sent = info.request_bytes_sent;
    head_received = info.head_received;
    detail = info.detail;
    over = true;
    call = nullptr;
  }

  LoopThread& thread;
  UpstreamPool& pool;
  std::string address;
  base::ChunkPool chunks;
  base::Arena arena{chunks};
  RequestHead head{arena};
  UpstreamTarget target;
  UpstreamCall* call = nullptr;

  std::vector<int> informational;
  int status = 0;
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;
  std::string fields;
  std::string body;
  int writable = 0;
  std::optional<UpstreamFailure> failure;
  bool stale = false;
  bool sent = false;
  bool head_received = false;
  std::string detail;
  bool over = false;
  bool request_over = true;
  bool pause_at_head = false;
  bool cancel_at_head = false;
};

class Upstream : public ::testing::Test {
 protected:
  explicit Upstream(const UpstreamLimits& limits = {}) {
    thread.run([&] { pool = make_upstream_pool(thread.loop(), limits, &metrics); });
  }
  ~Upstream() override {
    thread.run([&] { pool.reset(); });
  }
  void restart(const UpstreamLimits& limits) {
    thread.run([&] {
      pool.reset();
      pool = make_upstream_pool(thread.loop(), limits, &metrics);
    });
  }

  // Starts it with that many bytes to come: call.writable says when they may.
  Socket accept_upload(Call& call, std::size_t size) {
    call.with_body(Framing::kLength, size);
    thread.run([&] {
      call.call = pool->start(call.target, call.head, call.arena, call);
      (void)call.call->send_body({});
    });
    return service.accept();
  }
  // The service answers the request that it reads next; true: its owner heard that.
  static bool serves(Socket& peer, Call& call) {
    const bool asked = peer.receive_until("\r\n\r\n");
    peer.received.clear();
    peer.send("HTTP/1.1 204 N\r\n\r\n");
    return asked && call.wait() && call.status == 204;
  }

  HttpMetrics metrics;
  ScriptedService service;
  LoopThread thread;
  std::unique_ptr<UpstreamPool> pool;
};

}  // namespace gw::http::testing
