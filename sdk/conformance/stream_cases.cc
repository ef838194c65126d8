// SPDX-License-Identifier: Apache-2.0
//
// "gw.stream/1". A stream outlives its exchange, so what it finds goes into the instance's tally.
#include <cstdint>

#include "probe.h"

namespace gw::conformance {

namespace {

struct Open {
  explicit Open(Part& own) : part(own) {}
  Part& part;
  gw_stream* stream = nullptr;
  Timer timer;
  int round = 0;
  bool full = false;
  bool movable = false;
  gw_status write(std::string_view text) const { return tables.stream->write(stream, str(text)); }
  void end() {
    tables.stream->end(stream);
    delete this;
  }
};

void on_closed(void* owner, std::int32_t reason) {
  auto* open = static_cast<Open*>(owner);
  Tally& tally = open->part.instance.tally;
  tally.expect(reason == GW_STREAM_CLIENT_GONE || reason == GW_STREAM_SERVER_STOP,
               "a stream closes for a reason");
  if (reason == GW_STREAM_CLIENT_GONE) ++tally.streams_gone;
  delete open;
}

void on_writable(void* owner) {
  auto* open = static_cast<Open*>(owner);
  open->part.instance.tally.expect(std::exchange(open->full, false),
                                   "on_writable follows GW_LIMIT");
  open->part.instance.tally.expect(open->write("room\n") == GW_OK,
                                   "a write after on_writable is taken");
  open->end();
}

void on_drain(void* owner) {
  auto* open = static_cast<Open*>(owner);
  ++open->part.instance.tally.streams_drained;
  open->write("goodbye\n");
  open->end();
}

constexpr gw_stream_events kEvents = {sizeof(gw_stream_events), on_closed, on_writable, on_drain};

Open* begin(Part& part, Exchange x) {
  auto open = std::make_unique<Open>(part);
  open->stream = x.begin_stream(200, {{"Content-Type", "text/event-stream"}}, &kEvents, open.get());
  return open->stream != nullptr ? open.release() : nullptr;
}

// Three pieces, a while between them.
void go_on(Open* open) {
  Tally& tally = open->part.instance.tally;
  tally.expect(open->write("piece " + std::to_string(++open->round) + "\n") == GW_OK,
               "a stream takes a piece");
  if (open->round == 3) return open->end();
  open->timer.start(open->part.worker, 20, [open] { go_on(open); });
}

Verdict stream(Part& part, Exchange x) {
  Tally& tally = part.instance.tally;
  gw_stream* none = nullptr;
  gw_header bad{str("Connection"), str("close")};
  tally.expect(
      tables.stream->begin(x.raw(), 99, nullptr, 0, &kEvents, nullptr, &none) == GW_INVALID,
      "begin refuses status 99");
  tally.expect(tables.stream->begin(x.raw(), 200, &bad, 1, &kEvents, nullptr, &none) == GW_INVALID,
               "begin refuses a framing header");
  Open* open = begin(part, x);
  if (open == nullptr) return x.fail(500, "STREAM_REFUSED");
  go_on(open);
  return GW_REPLIED;
}

Verdict stream_twice(Part& part, Exchange x) {
  Tally& tally = part.instance.tally;
  if (begin(part, x) == nullptr) return x.fail(418, "STREAM_REFUSED");
  gw_stream* none = nullptr;
  tally.expect(
      tables.stream->begin(x.raw(), 200, nullptr, 0, &kEvents, nullptr, &none) == GW_WRONG_STATE,
      "begin refuses a second stream");
  tally.expect(tables.exchange->reply(x.raw(), 200, nullptr, 0, gw_str{}) == GW_WRONG_STATE,
               "reply refuses an exchange with a stream");
  return GW_REPLIED;
}

Verdict stream_at_once(Part& part, Exchange x) {
  Open* open = begin(part, x);
  if (open == nullptr) return x.fail(500, "STREAM_REFUSED");
  open->write("all of it\n");
  open->end();
  return GW_REPLIED;
}

// Writes without waiting until nothing more is taken, which a client that does not read brings
// about.
void fill(Open* open) {
  Tally& tally = open->part.instance.tally;
  const std::string piece(16 * 1024, 'x');
  gw_status status = GW_OK;
  for (int i = 0; i < 16 * 1024 && status == GW_OK; ++i) status = open->write(piece);
  open->full = true;
  tally.expect(status == GW_LIMIT, "a stream takes no more than its cap");
  tally.expect(open->write(piece) == GW_LIMIT, "a full stream stays full within the turn");
  if (status != GW_LIMIT) open->end();
}

Verdict stream_limit(Part& part, Exchange x) {
  Open* open = begin(part, x);
  if (open == nullptr) return x.fail(500, "STREAM_REFUSED");
  part.instance.tally.expect(open->write("before\n") == GW_OK, "a small write is taken");
  open->timer.start(part.worker, 20, [open] { fill(open); });
  return GW_REPLIED;
}

Verdict stream_open(Part& part, Exchange x) {
  Open* open = begin(part, x);
  part.newest = open;
  if (open == nullptr) return x.fail(500, "STREAM_REFUSED");
  open->write("open\n");
  return GW_REPLIED;
}

// Waits for another instance to take it over, which then ends it.
Verdict stream_handover(Part& part, Exchange x) {
  const Verdict verdict = stream_open(part, x);
  if (part.newest != nullptr) static_cast<Open*>(part.newest)->movable = true;
  return verdict;
}

// Begins after a pause, which is how a stream that asks its store first begins.
class LateStream : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    timer_.start(part.worker, 20, [this] { finish(); });
  }
  Verdict resume(Exchange x) override { return stream_at_once(part, x); }

 private:
  Timer timer_;
};

}  // namespace

gw_status Part::export_stream(void* owner, std::string& blob) {
  const auto* open = static_cast<const Open*>(owner);
  instance.tally.expect(&open->part == this, "a part is asked for its own streams");
  if (!open->movable) return GW_UNSUPPORTED;
  blob = std::string(4000, 'b') + "adopted\n";
  return GW_OK;
}

gw_status Part::adopt_stream(gw_stream* stream, std::uint32_t format, std::string_view blob,
                             const gw_stream_events*& events, void*& owner) {
  instance.tally.expect(format == Conformance::kHandoverFormat, "adopt_stream gets the format");
  instance.tally.expect(blob.size() == 4008, "adopt_stream gets the blob whole");
  auto* open = new Open(*this);
  open->stream = stream;
  open->timer.start(worker, 20, [open, text = std::string(blob.substr(4000))] {
    open->part.instance.tally.expect(open->write(text) == GW_OK, "an adopted stream takes a write");
    open->end();
  });
  events = &kEvents;
  owner = open;
  return GW_OK;
}

void Part::stream_moved(void* owner) {
  delete static_cast<Open*>(owner);
}

void add_stream_cases(Cases& cases) {
  cases.direct.insert({{"stream", stream},
                       {"stream-at-once", stream_at_once},
                       {"stream-twice", stream_twice},
                       {"stream-limit", stream_limit},
                       {"stream-leave", stream_open},
                       {"stream-stop", stream_open},
                       {"stream-handover", stream_handover}});
  cases.started.insert({{"stream-late", [](Part& part, Exchange) -> std::unique_ptr<Probe> {
                           return std::make_unique<LateStream>(part);
                         }}});
}

}  // namespace gw::conformance
