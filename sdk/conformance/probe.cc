// SPDX-License-Identifier: Apache-2.0
//
// The walk of the conformance plugin's filter through its cases.
#include "probe.h"

namespace gw::conformance {

namespace {

constexpr std::string_view kPrefix = "/conformance/";
constexpr std::uint32_t kProbeTimeout = 15'000;  // ms; a probe that is not done by then has failed

std::string_view case_of(Exchange x) {
  std::string_view path = x.path();
  return path.starts_with(kPrefix) ? path.substr(kPrefix.size()) : std::string_view();
}

Probe* probe_in(void* slot) {
  return static_cast<Probe*>(slot);
}

// Waits until every other exchange has heard its end and a client that left was noticed, then tells
// what was found where nobody could be told.
class Afterwards : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    timer_.start(
        part.worker, 20, [this] { look(); }, 20);
  }

 private:
  void look() {
    Tally& tally = part.instance.tally;
    bool settled = tally.entered == tally.completed + 1 && tally.streams_gone == 1;
    if (!settled && ++looks_ < 500) return;
    CONFORMS(report, part.instance.tally.entered == part.instance.tally.completed + 1);
    CONFORMS(report, part.instance.tally.streams_gone == 1);
    {
      std::lock_guard lock(tally.mutex);
      report.expect(tally.report.good(), "in earlier cases:\n" + tally.report.text());
    }
    timer_.cancel();
    finish();
  }
  Timer timer_;
  int looks_ = 0;
};

}  // namespace

Verdict answer(Exchange x, const Report& report) {
  if (report.good()) return x.reply(200, {{"Content-Type", "text/plain"}}, "ok\n");
  return x.reply(500, {{"Content-Type", "text/plain"}}, report.text());
}

Verdict Probe::resume(Exchange x) {
  return answer(x, report);
}

const Cases& all_cases() {
  static const Cases cases = [] {
    Cases all;
    add_exchange_cases(all), add_answer_cases(all), add_worker_cases(all), add_call_cases(all);
    add_observe_cases(all), add_body_cases(all), add_stream_cases(all);
    all.started["afterwards"] = [](Part& part, Exchange) -> std::unique_ptr<Probe> {
      return std::make_unique<Afterwards>(part);
    };
    return all;
  }();
  return cases;
}

Verdict Part::on_request_head(Exchange x, void*& slot) {
  ++instance.tally.entered;
  instance.tally.expect(slot == nullptr, "a slot is null at first");
  if (instance.outer) return GW_CONTINUE;
  const Cases& cases = all_cases();
  std::string_view name = case_of(x);
  if (auto found = cases.immediate.find(name); found != cases.immediate.end()) {
    Report report;
    found->second(*this, x, report);
    return answer(x, report);
  }
  if (auto found = cases.direct.find(name); found != cases.direct.end())
    return found->second(*this, x);
  if (auto found = cases.body.find(name); found != cases.body.end()) {
    slot = found->second(*this, x).release();
    return GW_CONTINUE;
  }
  auto found = cases.started.find(name);
  if (found == cases.started.end()) return GW_CONTINUE;
  std::unique_ptr<Probe> probe = found->second(*this, x);
  probe->waker = x.pause(kProbeTimeout);
  probe->begin(x);
  slot = probe.release();
  return GW_PAUSE;
}

Verdict Part::on_request_body(Exchange x, void*& slot, std::string_view data, bool last,
                              std::uint64_t& consumed) {
  auto* probe = instance.outer ? nullptr : dynamic_cast<TakesBody*>(probe_in(slot));
  if (probe != nullptr) return probe->body(x, data, last, consumed);
  consumed = data.size();
  return GW_CONTINUE;
}

Verdict Part::on_resume(Exchange x, void*& slot) {
  if (slot == nullptr) {
    instance.tally.expect(false, "nobody wakes a pause whose waker was not used");
    return GW_CONTINUE;
  }
  return probe_in(slot)->resume(x);
}

// The outer one sees every answer of the inner one and of what comes behind it.
Verdict Part::on_response_head(Exchange x, void*&) {
  Tally& tally = instance.tally;
  if (!instance.outer) return GW_CONTINUE;
  tally.expect(tables.exchange->status(x.raw()) >= 200, "an answer has a status");
  std::string_view name = case_of(x);
  if (name == "replace") return x.reply(202, {{"X-Replaced", "1"}}, "replaced\n");
  if (name != "response-head") return GW_CONTINUE;
  tally.expect(x.header(GW_RESPONSE, "content-TYPE") == "text/plain",
               "an answer's headers can be read");
  tally.expect(x.set_header(GW_RESPONSE, "X-Outer", "seen") == GW_OK,
               "an answer's headers can be set");
  tally.expect(x.add_header(GW_RESPONSE, "X-Outer", "twice") == GW_OK,
               "an answer's headers can be added");
  tally.expect(x.remove_header(GW_RESPONSE, "Content-Type") == GW_OK,
               "an answer's headers can be removed");
  tally.expect(x.set_header(GW_RESPONSE, "Content-Length", "3") == GW_INVALID,
               "framing is the host's");
  tally.expect(x.set_header(GW_REQUEST, "X-Late", "1") == GW_WRONG_STATE,
               "the request's head has left");
  tally.expect(tables.exchange->set_status(x.raw(), 100) == GW_INVALID, "100 is no final status");
  tally.expect(tables.exchange->set_status(x.raw(), 600) == GW_INVALID, "600 is no status");
  tally.expect(tables.exchange->set_status(x.raw(), 203) == GW_OK, "a status can be set");
  return GW_CONTINUE;
}

Verdict Part::on_response_body(Exchange x, void*&, std::string_view data, bool,
                               std::uint64_t& consumed) {
  Tally& tally = instance.tally;
  tally.expect(consumed == 0, "consumed is 0 at the call");
  tally.expect(x.set_header(GW_RESPONSE, "X-Late", "1") == GW_WRONG_STATE,
               "the answer's head has left");
  consumed = data.size();
  return GW_CONTINUE;
}

void Part::on_complete(Exchange x, void*& slot, const gw_outcome& outcome) {
  Tally& tally = instance.tally;
  bool known = outcome.struct_size >= sizeof(gw_outcome);
  tally.expect(known, "an outcome is whole");
  tally.expect(!x.method().empty(), "the request can be read to the end");
  tally.expect(outcome.status == 0 || outcome.status >= 200,
               "an outcome has a final status, or none");
  tally.expect(outcome.aborted == 0 || outcome.streaming == 0,
               "an exchange was cut, or became a stream");
  if (case_of(x) == "fail")
    tally.expect(view(outcome.error_code) == "CONFORMANCE_CODE",
                 "an outcome knows the error's code");
  if (case_of(x) == "fail")
    tally.expect(outcome.upstream_ns == 0, "an outcome knows that no attempt was made");
  if (case_of(x) == "route-refused")
    tally.expect(outcome.upstream_ns != 0, "an outcome knows when the first attempt was made");
  if (case_of(x) == "plain")
    tally.expect(outcome.error_code.len == 0, "no code where there is no error");
  if (!instance.outer) delete probe_in(slot);
  ++tally.completed;
}

}  // namespace gw::conformance
