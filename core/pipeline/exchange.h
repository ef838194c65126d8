// SPDX-License-Identifier: Apache-2.0
//
// Exchange: one request and its answer, walked through a chain.
//
//   heads of the request, filter by filter -> router, upstream (the request's body meanwhile,
//   through the filters that asked for it) -> head of the answer, in reverse -> its body ->
//   on_complete
//
// Plugins' calls only take note; the exchange acts when the callback has returned. Whatever ends it
// (finish, abort, detach) is the last thing that a function here does, because the object is then
// given back to the dispatcher. Four files: exchange.cc (request, end), calls.cc (calls into
// plugins, pauses), forward.cc (upstream), answer.cc (answers).
#pragma once

#include <gateway/abi/exchange.h>
#include <gateway/abi/filter.h>
#include <gateway/abi/router.h>
#include <gateway/abi/stream.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/transaction.h"
#include "http/upstream.h"
#include "pipeline/attributes.h"
#include "pipeline/body_pipe.h"
#include "pipeline/chain.h"
#include "pipeline/wake_table.h"

// The ABI's handle.
struct gw_exchange {};

namespace gw::pipeline {

class Dispatcher;

// Belongs to one worker's dispatcher, which uses it again and again.
class Exchange final : public gw_exchange {
 public:
  explicit Exchange(Dispatcher& dispatcher);
  ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Takes the transaction through; `generation` may be null.
  void begin(http::Transaction& transaction, WorkerGeneration* generation);

  // For the ABI's tables (exchange_api.cc, stream.cc): as their comments there say.
  http::RequestHead& request() { return *request_; }
  http::ResponseHead* response() { return response_; }
  http::Transaction& transaction() { return *transaction_; }
  base::Arena& arena() { return request_->fields.arena(); }
  // Of a filter's or the host's own answer, once it is given.
  std::string_view local_body() const { return local_body_; }
  bool streams() const { return source_ == Source::kStream; }
  AttributeValues& attributes() { return attributes_; }
  const TextSource* texts() const { return generation_ ? generation_->texts.get() : nullptr; }
  Dispatcher& dispatcher() { return dispatcher_; }
  // False, and counted: the exchange that this was is over.
  bool live(const char* call) {
    return (transaction_ != nullptr && !checks_thread_) || examine(call);
  }
  bool request_head_open() const { return upstream_ == nullptr && response_ == nullptr; }
  bool response_head_open() const { return response_ != nullptr && !head_sent_; }
  gw_status set_target(std::string_view path, std::string_view query);
  gw_status set_status(std::uint32_t status);
  gw_status pause(std::uint32_t timeout_ms, std::int32_t at_deadline, gw_waker& out);
  gw_status reply(std::uint32_t status, const gw_header* headers, std::uint32_t count,
                  std::string_view body);
  gw_status fail(std::uint32_t status, std::string_view code, std::string_view message,
                 const gw_header* headers, std::uint32_t count);
  gw_status begin_stream(std::uint32_t status, const gw_header* headers, std::uint32_t count,
                         const gw_stream_events* events, void* owner, gw_stream** out);

 private:
  enum class Phase : std::uint8_t {
    kNone,
    kRequestHead,
    kRequestBody,
    kChoose,
    kResponseHead,
    kResponseBody,
    kNotice  // outcome, on_complete: nothing can be answered
  };
  enum class Source : std::uint8_t { kNone, kLocal, kUpstream, kStream };

  // What the running callback did.
  struct Call {
    Phase phase = Phase::kNone;
    std::uint32_t step = 0;
    PartUse* use = nullptr;
    bool replied = false;
    bool replied_twice = false;
    bool too_late = false;  // it tried to answer after the upstream's answer had begun
    Pause* paused = nullptr;
  };
  struct FilterPause : Pause {
    Phase phase = Phase::kNone;
    std::uint32_t step = 0;
    std::int32_t at_deadline = GW_FAIL_CLOSED;
  };
  struct ClientSide final : http::TransactionSink {
    explicit ClientSide(Exchange& x) : exchange(x) {}
    void on_body(std::string_view data, bool last) override { exchange.on_client_body(data, last); }
    void on_writable() override { exchange.on_client_writable(); }
    bool on_body_failed(std::uint16_t status) override {
      return exchange.on_client_body_failed(status);
    }
    void on_aborted() override { exchange.on_client_gone(); }
    Exchange& exchange;
  };
  struct UpstreamSide final : http::UpstreamSink {
    explicit UpstreamSide(Exchange& x) : exchange(x) {}
    void on_informational(const http::ResponseHead& head) override {
      exchange.on_upstream_informational(head);
    }
    void on_head(http::ResponseHead& head) override { exchange.on_upstream_head(head); }
    void on_body(std::string_view data, bool last) override {
      exchange.on_upstream_body(data, last);
    }
    void on_writable() override { exchange.on_upstream_writable(); }
    void on_failed(const http::UpstreamFailureInfo& info) override {
      exchange.on_upstream_failed(info);
    }
    Exchange& exchange;
  };
  struct RequestFilters final : BodyPipe::Filters {
    explicit RequestFilters(Exchange& x) : exchange(x) {}
    Verdict deliver(std::uint32_t step, std::string_view data, bool last,
                    std::uint64_t& consumed) override;
    void emit(std::string_view data, bool last) override { exchange.send_upstream(data, last); }
    Exchange& exchange;
  };
  struct ResponseFilters final : BodyPipe::Filters {
    explicit ResponseFilters(Exchange& x) : exchange(x) {}
    Verdict deliver(std::uint32_t step, std::string_view data, bool last,
                    std::uint64_t& consumed) override;
    void emit(std::string_view data, bool) override { exchange.send_client(data); }
    Exchange& exchange;
  };

  // Calls into plugins (calls.cc).
  bool examine(const char* call);
  void enter(Phase phase, std::uint32_t step, PartUse* use);
  Verdict leave(gw_verdict verdict);
  Verdict judge(gw_verdict verdict);
  Verdict misuse(PartUse* use, std::string_view kind, const std::string& what);
  static void pause_ended(void* user, Pause& pause, bool deadline);
  void resume(FilterPause& pause, bool deadline);
  Verdict call_resume(const FilterPause& pause);
  void** slot(std::uint32_t step) { return &slots_[step]; }
  const FilterStep& filter(std::uint32_t step) const { return chain_->filters[step]; }
  std::uint32_t filter_count() const {
    return chain_ ? static_cast<std::uint32_t>(chain_->filters.size()) : 0;
  }
  bool has_body() const;
  std::uint64_t now_ns() const;

  // Request (exchange.cc).
  void reset(http::Transaction& transaction, WorkerGeneration* generation);
  bool make_slots();
  void walk_request_heads();
  void after_request_heads();
  void run_request_pipe(BodyPipe::State state);
  void on_client_body(std::string_view data, bool last);
  bool on_client_body_failed(std::uint16_t status);
  void steer_client_reading();
  void stop_request_side();

  // Upstream (forward.cc).
  void start_attempt(const gw_attempt* previous);
  bool choose(const gw_attempt* previous, gw_endpoint& endpoint);
  void aim(const gw_endpoint& endpoint);
  void start_call();
  void send_upstream(std::string_view data, bool last);
  void settle_attempt(std::int32_t result, std::uint32_t status);
  void cancel_upstream();
  void attempt_failed(std::int32_t result, bool bytes_sent);
  void answer_failure(std::int32_t result);
  bool may_repeat(bool bytes_sent) const;
  void steer_upstream_reading();
  void on_upstream_informational(const http::ResponseHead& head);
  void on_upstream_head(http::ResponseHead& head);
  void on_upstream_body(std::string_view data, bool last);
  void take_answer_body(std::string_view data, bool last);
  void on_upstream_writable();
  void on_upstream_failed(const http::UpstreamFailureInfo& info);

  // Answers (answer.cc).
  bool may_reply();
  gw_status make_head(std::uint32_t status, const gw_header* headers, std::uint32_t count,
                      http::ResponseHead*& out);
  gw_status keep_body(std::string_view body, std::string_view& kept);
  std::string_view envelope(std::uint32_t status, std::string_view code, std::string_view message);
  void make_error(std::uint32_t status, std::string_view code);
  void answer_error(std::uint32_t from, std::uint32_t status, std::string_view code);
  void answer_local(std::uint32_t from);
  void walk_response_heads(std::uint32_t from);
  void drop_streams();
  void send_answer();
  void send_local();
  void send_stream();
  void send_upgrade();
  void send_head();
  void send_client(std::string_view data);
  void after_response_pipe(BodyPipe::State state);
  void on_client_writable();

  // End (exchange.cc). Each of these is the last thing that its caller does.
  void on_client_gone();
  void finish();
  void abort();
  void complete(bool aborted, bool streaming);
  void count_end(bool failed);
  http::Transaction* release();

  Dispatcher& dispatcher_;
  ClientSide client_side_{*this};
  UpstreamSide upstream_side_{*this};
  RequestFilters request_filters_{*this};
  ResponseFilters response_filters_{*this};

  http::Transaction* transaction_ = nullptr;
  http::RequestHead* request_ = nullptr;  // the transaction's
  std::string_view asked_path_;           // the client's, whatever set_target made of it
  WorkerGeneration* generation_ = nullptr;
  const Chain* chain_ = nullptr;
  void** slots_ = nullptr;  // one per filter, and the router's
  AttributeValues attributes_;
  Call call_;
  FilterPause request_pause_;
  FilterPause response_pause_;

  // Request.
  SeldomPipe request_pipe_;
  std::uint32_t entered_ = 0;  // filters whose on_request_head was called
  const bool checks_thread_;
  bool router_entered_ = false;
  bool request_over_ = false;  // the request's side does no more: answered locally
  bool body_begun_ = false;    // the client's body was touched: no attempt can be repeated
  bool body_ended_ = false;
  bool reading_client_ = false;
  std::uint64_t request_body_bytes_ = 0;

  // Upstream.
  http::UpstreamCall* upstream_ = nullptr;
  http::UpstreamTarget target_;
  std::uint64_t endpoint_token_ = 0;
  gw_attempt last_attempt_{};
  std::uint32_t attempts_ = 0;
  std::uint64_t attempt_began_ns_ = 0;
  std::uint64_t first_attempt_ns_ = 0;  // 0: none was made
  bool attempt_open_ = false;           // its outcome was not told yet
  bool stale_repeated_ = false;         // this endpoint was tried twice already
  bool upstream_ready_ = false;         // takes body bytes
  bool upstream_sent_all_ = false;
  bool upstream_paused_ = false;

  // Answer.
  SeldomPipe response_pipe_;
  http::ResponseHead* response_ = nullptr;
  std::unique_ptr<http::ResponseHead> spare_head_;  // of an error, when the arena is full
  Source source_ = Source::kNone;
  std::string_view local_body_;
  std::unique_ptr<std::string> large_body_;  // a local body too large for the arena
  std::string_view error_code_;
  gw_stream* stream_ = nullptr;           // begun, not yet detached
  gw_stream* replaced_stream_ = nullptr;  // by the callback that runs
  std::uint32_t response_from_ = 0;       // filters below this one see the answer
  bool head_sent_ = false;
  bool answer_begun_ = false;  // filters saw its head
  bool bodyless_ = false;      // HEAD, 204, 205, 304: bytes are dropped
  bool client_blocked_ = false;
  std::uint64_t response_body_bytes_ = 0;
};

}  // namespace gw::pipeline
