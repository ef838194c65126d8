// SPDX-License-Identifier: Apache-2.0
//
// One loopback exchange: a walk over the pipeline, one callback at a time, in the states of `At`.
// It goes on (`go`) until it is answered or a filter pauses.
#pragma once

#include <array>

#include "testing/state.h"

namespace gw::testing {

struct Stage;

// gw_exchange: each filter gets a handle of its own, so that its use after on_complete is seen.
struct Handle {
  FakeHost::State* host;
  Exchange::State* exchange;
  Stage* stage;
  bool alive = true;
};

struct HeaderEntry {
  ViewCopy name, value;
};

// The headers of one message; an entry's bytes stay where they are until it is removed.
class HeaderList {
 public:
  static constexpr std::size_t kMostHeaders = 100;
  static constexpr std::size_t kMostBytes = 16 * 1024;

  void add(std::string_view name, std::string_view value);
  bool remove(std::string_view name);
  void clear() { entries_.clear(); }
  bool fits(std::string_view name, std::string_view value) const;
  const HeaderEntry* at(std::size_t i) const {
    return i < entries_.size() ? entries_[i].get() : nullptr;
  }
  const HeaderEntry* find(std::string_view name, std::size_t nth = 0) const;
  Pairs pairs() const;

 private:
  std::vector<std::unique_ptr<HeaderEntry>> entries_;
};

bool same_name(std::string_view a, std::string_view b);
bool is_framing_name(std::string_view name);
gw_status check_header(std::string_view name, std::string_view value);
bool is_canonical_path(std::string_view path);

struct Stream {  // gw_stream
  FakeHost::State* host = nullptr;
  Exchange::State* exchange = nullptr;  // the client's end; valid while alive
  WorkerPart* owner_part = nullptr;
  const gw_stream_events* events = nullptr;
  void* owner = nullptr;
  bool alive = true;
  bool wants_room = false;
  std::string unsent;
};

// A filter's (or the router's) share of an exchange.
struct Stage {
  Instance::State* instance;
  WorkerPart* part;
  bool router = false;
  Handle* handle = nullptr;
  void* slot = nullptr;
  bool entered = false;    // on_request_head or choose was called
  bool completed = false;  // on_complete was called
  // Body of the direction under way.
  std::string held;
  std::uint64_t consumed_at_pause = 0;
  bool last_arrived = false, dirty = false, was_paused = false;
};

enum class Phase {
  kNone,
  kRequestHead,
  kRequestBody,
  kChoose,
  kOutcome,
  kResponseHead,
  kResponseBody,
  kComplete
};

struct Exchange::State : std::enable_shared_from_this<Exchange::State> {
  enum class At {
    kRequestHeads,
    kChoose,
    kRequestBody,
    kUpstream,
    kResponseHeads,
    kResponseBody,
    kFinish,
    kDone
  };

  FakeHost::State* host = nullptr;
  std::vector<std::unique_ptr<Stage>> stages;  // in the order of the pipeline
  std::size_t filters = 0;                     // stages without the router
  RequestSpec spec;
  std::function<UpstreamAnswer(const UpstreamRequest&)> upstream;

  At at = At::kRequestHeads;
  std::size_t next = 0;  // the stage whose turn it is
  Phase phase = Phase::kNone;
  Stage* running = nullptr;  // whose callback runs
  bool walking = false, leave_later = false;

  // The request. `target` views are replaced by set_target.
  ViewCopy method, path, query, authority;
  std::string first_path;
  HeaderList request_headers;
  bool request_head_left = false;
  std::size_t piece = 0, piece_at = 0;  // next bytes of the body under way
  bool fed_last = false;                // the end went to the first filter
  bool body_over = false;               // the end went past every filter
  bool request_body_over = false;
  std::string upstream_body;
  std::uint64_t request_bytes = 0;

  std::uint32_t attempts = 0;
  std::optional<gw_attempt> previous;
  gw_endpoint endpoint{};
  bool attempt_open = false;

  // The answer.
  std::uint32_t answer_status = 0;
  HeaderList answer_headers;
  bool has_answer = false, answer_head_left = false;
  std::vector<std::string> answer_pieces;
  std::size_t answer_limit = 0;  // stages below it see the answer
  std::string sent_body;
  std::uint64_t response_bytes = 0;
  std::string code;

  // What the running callback did. An answer waits here until the callback has returned.
  bool replied = false, answered_twice = false, pause_asked = false;
  Stream* new_stream = nullptr;
  std::string new_code;
  std::uint32_t new_status = 0;
  Pairs new_headers;
  std::string new_body;

  // The pause under way.
  bool is_paused = false;
  gw_waker waker{};
  std::uint64_t pause_deadline_ns = 0;
  std::int32_t at_deadline = GW_FAIL_CLOSED;
  Stage* paused_stage = nullptr;
  Phase paused_phase = Phase::kNone;

  Stream* answer_stream = nullptr;  // of the answer on its way
  Stream* stream = nullptr;         // open
  std::string unsent_after_end;
  bool stream_ended = false, blocked = false;
  bool finished = false, aborted = false;
  Pairs final_headers;
  std::map<std::string, std::string> final_attributes;
  std::vector<UpstreamRequest> sent_upstream;
  int completions = 0;
  std::uint64_t started_ns = 0;
  std::uint64_t first_attempt_ns = 0;

  std::deque<ViewCopy> memory;  // alloc, attributes, texts: as long as the exchange
  std::vector<std::unique_ptr<unsigned char[]>> blocks;
  std::uint64_t block_bytes = 0;
  std::map<std::uint32_t, std::string_view> attributes;

  void begin(const std::vector<Instance*>& pipeline);
  void go();  // as far as it gets
  void end_pause(bool by_deadline);
  void leave();
  void forget_pause();
  std::string_view keep(std::string_view text) { return memory.emplace_back(text).view(); }
  // Of reply, fail and begin: notes the answer of the callback that runs.
  gw_status take_answer(const Handle& handle, std::uint32_t status, const gw_header* headers,
                        std::uint32_t count, const char* call);

 private:
  void add_stage(Instance::State& instance, bool router);
  // Steps of the walk. False: wait (paused), or done.
  bool step();
  bool request_heads();
  bool choose();
  bool request_body();
  bool call_upstream();
  bool response_heads();
  bool response_body();
  void finish();

  // Calls into a plugin; the verdict as checked, or kMisuse.
  static constexpr gw_verdict kMisuse = -1;
  gw_verdict invoke(Stage& stage, Phase phase, const std::function<gw_verdict()>& call);
  gw_verdict checked(Stage& stage, Phase phase, gw_verdict verdict);
  void pause(Stage& stage, Phase phase);
  void resumed(Stage& stage, Phase phase, gw_verdict verdict);

  bool wants_body(const Stage& stage, bool request) const;
  Stage* next_offer(bool request);
  void offer(Stage& stage, bool request);
  void offered(Stage& stage, bool request, std::uint64_t consumed);
  void pass(Stage* from, bool request, std::string_view data, bool last);
  void feed(bool request, const std::vector<std::string>& pieces);
  std::size_t index_of(const Stage& stage) const;

  void answer_by(Stage& stage);             // the running callback's answer
  void misused(Stage& stage, Phase phase);  // 500, or a cut connection
  void fail_by_host(std::uint32_t status, std::string_view error_code, std::size_t limit);
  void begin_answer(std::size_t limit);
  void cut();  // ends without a whole answer
  void decide(std::int32_t result, std::uint32_t status);
  void attempt_failed(std::int32_t failure);
  void complete_all(bool streaming);
  void clear_bodies();
};

std::string error_envelope(const Exchange::State& x, std::string_view code,
                           std::string_view message, std::uint32_t status);
void close_stream(Stream& stream, std::int32_t reason);

}  // namespace gw::testing
