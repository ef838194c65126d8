// SPDX-License-Identifier: Apache-2.0
//
// Pauses and answers of "gw.exchange/1".
#include <cstdint>
#include <stdexcept>
#include <thread>

#include "probe.h"

namespace gw::conformance {

namespace {

// Woken by a timer; its waker is tried again when everything is over.
class Pauses : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange x) override {
    gw_waker other{};
    CONFORMS(report,
             tables.exchange->pause(x.raw(), 1000, GW_FAIL_CLOSED, &other) == GW_WRONG_STATE);
    wake(part.old_waker);
    part.old_waker = waker;
    timer_.start(part.worker, 20, [this] {
      fired_ = true;
      finish();
      CONFORMS(report, !resumed_);  // never inside the call
      finish();
    });
  }
  Verdict resume(Exchange x) override {
    CONFORMS(report, fired_);
    CONFORMS(report, !std::exchange(resumed_, true));
    return answer(x, report);
  }

 private:
  Timer timer_;
  bool fired_ = false, resumed_ = false;
};

class PausesTwice : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override { wake(waker); }
  Verdict resume(Exchange x) override {
    if (rounds_++ == 3) return answer(x, report);
    gw_waker before = waker;
    waker = x.pause(5000);
    CONFORMS(report, before.slot != waker.slot || before.generation != waker.generation);
    wake(before);  // over: wakes nobody
    wake(waker);
    return GW_PAUSE;
  }

 private:
  int rounds_ = 0;
};

class WokenByAnotherThread : public Probe {
 public:
  using Probe::Probe;
  ~WokenByAnotherThread() override { thread_.join(); }
  void begin(Exchange) override {
    thread_ = std::thread([own = waker] { wake(own); });
  }

 private:
  std::thread thread_;
};

void pause_refused(Part&, Exchange x, Report& report) {
  gw_waker waker{};
  CONFORMS(report, tables.exchange->pause(x.raw(), 0, GW_FAIL_CLOSED, &waker) == GW_INVALID);
  CONFORMS(report, tables.exchange->pause(x.raw(), 1000, 7, &waker) == GW_INVALID);
  wake(gw_waker{});
  wake(gw_waker{~std::uint64_t{0}, ~std::uint64_t{0}});
}

Verdict pause_and_continue(Part&, Exchange x) {
  wake(x.pause(1000));  // wakes nobody, as nobody waits
  return GW_CONTINUE;
}

Verdict deadline(Exchange x, std::int32_t way) {
  x.pause(50, way);
  return GW_PAUSE;
}

Verdict reply_twice(Part& part, Exchange x) {
  x.reply(200, {{"X-First", "1"}}, "first\n");
  gw_status second = tables.exchange->reply(x.raw(), 201, nullptr, 0, str("second\n"));
  part.instance.tally.expect(second == GW_WRONG_STATE, "a second reply gives GW_WRONG_STATE");
  second = tables.exchange->fail(x.raw(), 500, str("X"), {}, nullptr, 0);
  part.instance.tally.expect(second == GW_WRONG_STATE, "fail after reply gives GW_WRONG_STATE");
  return GW_REPLIED;
}

void reply_refused(Part&, Exchange x, Report& report) {
  auto reply = [&](std::uint32_t status, std::string_view name, std::string_view value) {
    gw_header header{str(name), str(value)};
    return tables.exchange->reply(x.raw(), status, &header, 1, str("no"));
  };
  CONFORMS(report, reply(99, "X", "1") == GW_INVALID);
  CONFORMS(report, reply(100, "X", "1") == GW_INVALID);
  CONFORMS(report, reply(600, "X", "1") == GW_INVALID);
  CONFORMS(report, reply(200, "Content-Length", "2") == GW_INVALID);
  CONFORMS(report, reply(200, "Connection", "close") == GW_INVALID);
  CONFORMS(report, reply(200, "X", "a\nb") == GW_INVALID);
}

Verdict fail(Part&, Exchange x) {
  x.set_attribute(tables.attribute->intern("trace.id"), "conformance-trace");
  return x.fail(403, "CONFORMANCE_CODE", "what went wrong", {{"X-Extra", "1"}});
}

}  // namespace

void add_answer_cases(Cases& cases) {
  cases.immediate.insert({{"pause-refused", pause_refused},
                          {"reply-refused", reply_refused},
                          {"replace", [](Part&, Exchange, Report&) {}},
                          {"response-head", [](Part&, Exchange, Report&) {}}});
  cases.started.insert({{"pause",
                         [](Part& part, Exchange) -> std::unique_ptr<Probe> {
                           return std::make_unique<Pauses>(part);
                         }},
                        {"pause-again",
                         [](Part& part, Exchange) -> std::unique_ptr<Probe> {
                           return std::make_unique<PausesTwice>(part);
                         }},
                        {"pause-thread", [](Part& part, Exchange) -> std::unique_ptr<Probe> {
                           return std::make_unique<WokenByAnotherThread>(part);
                         }}});
  cases.direct.insert(
      {{"plain",
        [](Part&, Exchange x) {
          return x.reply(200, {{"X-Plain", "yes"}}, "plain\n");
        }},
       {"empty", [](Part&, Exchange x) { return x.reply(204, {}, ""); }},
       {"large", [](Part&, Exchange x) { return x.reply(200, {}, std::string(300000, 'x')); }},
       {"pause-and-continue", pause_and_continue},
       {"deadline-closed", [](Part&, Exchange x) { return deadline(x, GW_FAIL_CLOSED); }},
       {"deadline-open", [](Part&, Exchange x) { return deadline(x, GW_FAIL_OPEN); }},
       {"reply-twice", reply_twice},
       {"fail", fail},
       {"bad-verdict", [](Part&, Exchange) -> Verdict { return 77; }},
       {"bad-pause", [](Part&, Exchange) -> Verdict { return GW_PAUSE; }},
       {"bad-replied", [](Part&, Exchange) -> Verdict { return GW_REPLIED; }},
       {"bad-continue",
        [](Part&, Exchange x) -> Verdict {
          x.reply(200, {}, "answered, yet going on\n");
          return GW_CONTINUE;
        }},
       {"exception", [](Part&, Exchange) -> Verdict { throw std::runtime_error("on purpose"); }}});
}

}  // namespace gw::conformance
