// SPDX-License-Identifier: Apache-2.0
//
// The conformance plugin's inner life. A case is a path below /conformance/: it does something with
// the host's tables and answers "ok", or 500 and what was not as the ABI says. What takes time is a
// Probe: the exchange pauses, and is woken when the probe is done.
#pragma once

#include <atomic>
#include <functional>
#include <gateway/plugin.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gw::conformance {

// What was expected and did not come.
class Report {
 public:
  void expect(bool held, std::string_view what) {
    if (!held) failures_.emplace_back(what);
  }
  bool good() const { return failures_.empty(); }
  std::string text() const {
    std::string all;
    for (const auto& failure : failures_) all += "not so: " + failure + "\n";
    return all;
  }

 private:
  std::vector<std::string> failures_;
};

#define CONFORMS(report, condition) (report).expect((condition), #condition)

class Conformance;

struct Part;

// One case under way that takes time. Lives in its filter's slot until on_complete.
class Probe {
 public:
  explicit Probe(Part& own) : part(own) {}
  virtual ~Probe() = default;
  virtual void begin(Exchange) = 0;  // the exchange is about to pause
  virtual Verdict resume(Exchange exchange);
  void finish() { wake(waker); }

  Part& part;
  Report report;
  gw_waker waker{};
};

// Answers "ok", or 500 and the report.
Verdict answer(Exchange exchange, const Report& report);

using Immediate = void (*)(Part&, Exchange, Report&);
using Started = std::unique_ptr<Probe> (*)(Part&, Exchange);
using Direct = Verdict (*)(Part&, Exchange);  // answers for itself
using BodyProbe = Started;                    // gets the request's body

struct Cases {
  std::map<std::string_view, Immediate> immediate;
  std::map<std::string_view, Started> started;
  std::map<std::string_view, Direct> direct;
  std::map<std::string_view, BodyProbe> body;
};
void add_exchange_cases(Cases& cases);
void add_answer_cases(Cases& cases);
void add_worker_cases(Cases& cases);
void add_call_cases(Cases& cases);
void add_observe_cases(Cases& cases);
void add_body_cases(Cases& cases);
void add_stream_cases(Cases& cases);
const Cases& all_cases();

// A probe that takes a request's body.
class TakesBody : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {}
  virtual Verdict body(Exchange exchange, std::string_view data, bool last,
                       std::uint64_t& consumed) = 0;
};

// Counted over all workers; the case "afterwards" looks at it.
struct Tally {
  std::atomic<int> entered{0}, completed{0}, streams_gone{0}, streams_drained{0};
  std::atomic<bool> started{false};
  std::mutex mutex;
  Report report;  // what went wrong where nobody could be told

  void expect(bool held, std::string_view what) {
    std::lock_guard lock(mutex);
    report.expect(held, what);
  }
};

// The plugin's instance. `role` "inner" answers cases; "outer" stands before it and looks at
// answers.
class Conformance {
 public:
  Conformance(Context context, Config config);
  using Part = conformance::Part;
  static constexpr std::uint32_t kHandoverFormat = 7;
  void start(Part& home);
  void stop(Part& home);
  static std::span<const gw_command> commands();
  int run(std::string_view name, Terminal terminal);

  Context context;
  bool outer;
  Tally tally;
};

struct Part {
  Part(Conformance& owner, Worker own) : instance(owner), worker(own) {}
  Verdict on_request_head(Exchange exchange, void*& slot);
  Verdict on_request_body(Exchange exchange, void*& slot, std::string_view data, bool last,
                          std::uint64_t& consumed);
  Verdict on_resume(Exchange exchange, void*& slot);
  Verdict on_response_head(Exchange exchange, void*& slot);
  Verdict on_response_body(Exchange exchange, void*& slot, std::string_view data, bool last,
                           std::uint64_t& consumed);
  void on_complete(Exchange exchange, void*& slot, const gw_outcome& outcome);

  gw_status export_stream(void* owner, std::string& blob);
  gw_status adopt_stream(gw_stream* stream, std::uint32_t format, std::string_view blob,
                         const gw_stream_events*& events, void*& owner);
  void stream_moved(void* owner);

  Conformance& instance;
  Worker worker;
  gw_waker old_waker{};  // of an exchange that is over
  Timer start_timer;
  void* newest = nullptr;  // stream that waits
};

}  // namespace gw::conformance
