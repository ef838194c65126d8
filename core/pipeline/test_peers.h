// SPDX-License-Identifier: Apache-2.0
//
// Both ends of an exchange for tests of the pipeline: the client and the upstreams, which do what the
// test says.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "http/transaction.h"
#include "http/tunnel.h"
#include "http/upstream.h"
#include "pipeline/test_time.h"

namespace gw::pipeline::testing {

// What became of a detached stream; outlives it.
struct StreamRecord final : http::StreamSocket {
  Written stream_write(std::string_view data) override {
    EXPECT_FALSE(ended);
    if (gone) return Written::kGone;
    if (full) return Written::kFull;
    written += data;
    return Written::kOk;
  }
  void stream_end() override {
    EXPECT_FALSE(ended);
    ended = true;
  }
  void stream_dropped() override {}

  std::string written;
  bool ended = false;
  bool full = false;  // the test's wish
  bool gone = false;  // the test's wish
  http::DetachedStream* stream = nullptr;
};

struct RequestSpec {
  std::string method = "GET";
  std::string path = "/";
  std::string authority = "shop.example";
  http::Framing framing = http::Framing::kNone;
  std::uint64_t content_length = 0;
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::uint8_t minor = 1;
};

class FakeTransaction final : public http::Transaction {
 public:
  FakeTransaction(const FakeClock& clock, const RequestSpec& spec)
      : spec_(spec), started_ns_(clock.monotonic_ns()) {
    head_.method = spec_.method;
    head_.path = spec_.path;
    head_.authority = spec_.authority;
    head_.framing = spec_.framing;
    head_.content_length = spec_.content_length;
    head_.minor = spec_.minor;
    for (const auto& [name, value] : spec_.fields) EXPECT_TRUE(head_.fields.add(name, value));
    peer_.client_address = "10.0.0.7";
    peer_.scheme = "http";
    peer_.listener = "main";
  }
  http::RequestHead& request() override { return alive(), head_; }
  base::Arena& arena() override { return alive(), arena_; }
  net::Loop& loop() override { std::abort(); }
  const http::Peer& peer() const override { return peer_; }
  std::uint64_t started_ns() const override { return started_ns_; }
  void set_sink(http::TransactionSink* sink) override { sink_ = sink; }
  void read_body() override { alive(), reading = true; }
  void pause_body() override { alive(), reading = false; }
  void set_body_limit(std::uint64_t bytes) override { body_limit = bytes; }
  void note_body_too_large() override { ++noted_too_large; }
  void send_informational(const http::ResponseHead& head) override {
    alive();
    informational.push_back(head.status);
  }
  void send_head(const http::ResponseHead& head) override {
    alive();
    EXPECT_EQ(status, 0) << "second head";
    status = head.status;
    framing = head.framing;
    content_length = head.content_length;
    if (quiet) return;
    for (const http::Field& field : head.fields) fields.emplace_back(field.name, field.value);
  }
  bool send_body(std::string_view data) override {
    alive();
    EXPECT_NE(status, 0) << "body before head";
    if (quiet) return true;
    body += data;
    return !blocked;
  }
  void finish() override { die(), finished = true; }
  void abort() override { die(), aborted = true; }
  void detach(http::DetachedStream& owner) override {
    die(), detached = true;
    stream->stream = &owner;
    owner.attached_to(*stream);
  }
  void tunnel(http::TunnelEnd&) override { die(), tunnelled = true; }
  bool head_sent() const override { return status != 0; }

  // The client's doings.
  void body_arrives(std::string_view data, bool last) {
    ASSERT_TRUE(reading) << "bytes that were not asked for";
    std::string copy(data);  // dies with the call
    sink_->on_body(copy, last);
  }
  void becomes_writable() { blocked = false, sink_->on_writable(); }
  bool body_fails(std::uint16_t how) { return sink_->on_body_failed(how); }
  void leaves() {
    sink_->on_aborted();
    die();
  }
  bool over() const { return dead_; }
  std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields)
      if (http::same_name(key, name)) return value;
    return "";
  }

  bool quiet = false;  // keeps no record
  bool reading = false, finished = false, aborted = false, detached = false, tunnelled = false;
  bool blocked = false;
  int status = 0;
  http::Framing framing = http::Framing::kNone;
  std::uint64_t content_length = 0, body_limit = 0;
  int noted_too_large = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<int> informational;
  std::string body;
  std::shared_ptr<StreamRecord> stream = std::make_shared<StreamRecord>();

 private:
  void alive() const { EXPECT_FALSE(dead_) << "the transaction is dead"; }
  void die() {
    alive();
    dead_ = true;
    arena_.reset();
  }
  RequestSpec spec_;
  base::ChunkPool pool_;
  base::Arena arena_{pool_};
  http::RequestHead head_{arena_};
  http::Peer peer_;
  std::uint64_t started_ns_;
  http::TransactionSink* sink_ = nullptr;
  bool dead_ = false;
};

class FakeTunnelEnd final : public http::TunnelEnd {
  net::Stream& tunnel_stream() override { std::abort(); }
  void tunnel_starts(http::Tunnel&) override {}
  void tunnel_over(bool) override {}
};

// One upstream call; the record outlives it.
class FakeCall final : public http::UpstreamCall {
 public:
  bool can_send() const override { return connected && !blocked; }
  bool send_body(std::string_view data) override {
    EXPECT_FALSE(over);
    if (!connected) return false;
    body += data;
    return !blocked;
  }
  void finish_body() override { EXPECT_FALSE(std::exchange(body_finished, true)); }
  void pause_reading() override { paused = true; }
  void resume_reading() override { paused = false; }
  void cancel() override {
    EXPECT_FALSE(over);
    over = cancelled = true;
  }
  bool body_follows() const override { return follows; }
  http::TunnelEnd& upgrade() override {
    EXPECT_FALSE(over);
    over = upgraded = true;
    static FakeTunnelEnd end;
    return end;
  }

  // The upstream's doings.
  void connects() {
    connected = true;
    sink->on_writable();
  }
  void answers_head(int status, std::vector<std::pair<std::string, std::string>> list = {},
                    http::Framing framing = http::Framing::kChunked,
                    std::uint64_t content_length = 0) {
    head = arena->make<http::ResponseHead>(*arena);
    head->status = static_cast<std::uint16_t>(status);
    head->framing = framing;
    head->content_length = content_length;
    follows = framing != http::Framing::kNone && method != "HEAD" && status != 204 && status != 304;
    for (const auto& [name, value] : list)
      EXPECT_TRUE(head->fields.add(arena->copy(name), arena->copy(value)));
    sink->on_head(*head);
  }
  void answers_body(std::string_view data, bool last) {
    ASSERT_FALSE(over);
    std::string copy(data);
    sink->on_body(copy, last);
    if (last) over = true;
  }
  void answers(int status, std::string_view data) {
    answers_head(status);
    if (!over) answers_body(data, true);
  }
  void fails(http::UpstreamFailure failure, bool sent = false, bool reused = false) {
    ASSERT_FALSE(over);
    over = true;
    sink->on_failed({failure, reused, sent, head != nullptr, "as the test says"});
  }

  std::string address, host, method, path;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool connected = false, blocked = false, body_finished = false, paused = false;
  bool over = false, cancelled = false, upgraded = false, follows = false;
  http::UpstreamSink* sink = nullptr;
  base::Arena* arena = nullptr;
  http::ResponseHead* head = nullptr;
};

class FakePool final : public http::UpstreamPool {
 public:
  http::UpstreamCall* start(const http::UpstreamTarget& target, const http::RequestHead& head,
                            base::Arena& arena, http::UpstreamSink& sink) override {
    calls.emplace_back();
    FakeCall& call = calls.back();
    call.address = target.address;
    call.host = target.host;
    call.method = head.method;
    call.path = head.path;
    for (const http::Field& field : head.fields) call.fields.emplace_back(field.name, field.value);
    call.sink = &sink;
    call.arena = &arena;
    return &call;
  }
  void close_idle() override {}
  std::deque<FakeCall> calls;
};

}  // namespace gw::pipeline::testing
