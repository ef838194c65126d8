// SPDX-License-Identifier: Apache-2.0
//
// A filter that says which build and which configuration it is, at every phase, so that a request
// which saw two generations shows it; and that goes wrong where its configuration says.
//
//   role "front"  notes its mark at the request's head and again at the answer's
//   role "back"   answers with its own mark and the one that the front put on the request; to
//                 /slow after a pause, to /held when its client has lost patience
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <gateway/plugin.hpp>
#include <stdexcept>
#include <thread>

namespace {

#ifdef SWAP_CRASH
struct Early {
  Early() { std::raise(SIGSEGV); }
} const early;
#endif
#ifdef SWAP_HANG
struct Early {
  Early() {
    while (true) std::raise(SIGCONT);
  }
} const early;
#endif

volatile int* volatile nowhere = nullptr;

// Leaves a process behind that has nothing to do with this one any more.
void become_daemon() {
  if (::fork() != 0) return;
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  ::prctl(PR_SET_NAME, "swap-daemon");
  while (true) ::pause();
}

class Swap {
 public:
  Swap(gw::Context context, gw::Config config)
      : context_(context),
        mark_(SWAP_BUILD ":" + config.string("tag")),
        front_(config.string("role") == "front"),
        fail_(config.string("fail")) {
    if (fail_ == "create") throw gw::ConfigError("fail", "is set to fail in create");
    if (fail_ == "crash") std::raise(SIGSEGV);
    if (fail_ == "abort") std::abort();
    if (fail_ == "exit") std::exit(0);
    if (fail_ == "daemon" || fail_ == "daemon_hang") become_daemon();
    if (fail_ == "chatty")
      for (int i = 0; i < 100000; ++i) std::fprintf(stderr, "chatty %d\n", i);
    if (fail_ == "chatty" || fail_ == "daemon") std::abort();
    if (fail_ == "thread")
      std::thread([] { std::this_thread::sleep_for(std::chrono::hours(1)); }).detach();
    if (fail_ == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(500));
    while (fail_ == "hang" || fail_ == "daemon_hang") std::raise(SIGCONT);
  }

  struct Part {
    Part(Swap& its_swap, gw::Worker its_worker) : swap(its_swap), worker(its_worker) {}

    struct Wait {
      std::string mark;
      std::uint64_t arrived_ns;
      gw::Timer timer;
    };

    gw::Verdict on_request_head(gw::Exchange exchange, void*& slot) {
      auto* wait = new Wait{swap.mark_, swap.context_.monotonic_ns(), {}};
      slot = wait;
      if (swap.fail_ == "serve") *nowhere = 1;
      if (swap.fail_ == "thread_crash") std::thread([] { *nowhere = 1; }).detach();
      if (swap.fail_ == "stall") std::this_thread::sleep_for(std::chrono::milliseconds(400));
      if (swap.fail_ == "stream") return misuse_stream(exchange);
      if (swap.fail_ == "throw") throw std::runtime_error("is set to fail");
      if (swap.fail_ == "twice") return answer(exchange), answer(exchange);
      if (swap.fail_ == "greedy") return GW_CONTINUE;  // its turn comes with the body
      if (swap.front_) {
        exchange.set_header(GW_REQUEST, "X-Front", swap.mark_);
        return GW_CONTINUE;
      }
      const bool held = exchange.path() == "/held";
      if (!held && exchange.path() != "/slow") return answer(exchange);
      const gw_waker waker = exchange.pause(held ? 600000 : 10000);
      const int times = swap.fail_ == "wake_twice" ? 2 : 1;
      wait->timer.start(worker, held ? 600000 : 20, [waker, times] {
        for (int i = 0; i < times; ++i) gw::wake(waker);
      });
      return GW_PAUSE;
    }
    gw::Verdict on_request_body(gw::Exchange, void*&, std::string_view data, bool,
                                std::uint64_t& consumed) const {
      consumed = data.size() + (swap.fail_ == "greedy" ? 1 : 0);
      return GW_CONTINUE;
    }
    gw::Verdict on_resume(gw::Exchange exchange, void*&) {
      if (swap.fail_ == "late") answer_late(exchange);
      return answer(exchange);
    }
    gw::Verdict on_response_head(gw::Exchange exchange, void*& slot) {
      exchange.set_header(GW_RESPONSE, "X-Front-Then", static_cast<Wait*>(slot)->mark);
      exchange.set_header(GW_RESPONSE, "X-Front-Now", swap.mark_);
      exchange.set_header(GW_RESPONSE, "X-Arrived-Ns",
                          std::to_string(static_cast<Wait*>(slot)->arrived_ns));
      return GW_CONTINUE;
    }
    void on_complete(gw::Exchange exchange, void*& slot, const gw_outcome&) {
      before = exchange.raw();
      delete static_cast<Wait*>(slot);
    }

    gw::Verdict answer(gw::Exchange exchange) const {
      const std::string front(exchange.header(GW_REQUEST, "X-Front").value_or(""));
      const std::string builds = std::to_string(swap.builds_);
      return exchange.reply(200, {{"X-Builds", builds}}, swap.mark_ + " " + front);
    }

    // Goes on with an exchange that is over.
    void answer_late(gw::Exchange exchange) {
      if (before != nullptr && before != exchange.raw()) {
        const gw::Exchange old(before);
        late = answer(old);
        old.set_header(GW_REQUEST, "X", "y");
        (void)old.path(), (void)old.header(GW_REQUEST, "Host");
      }
    }
    // Goes on with a stream that it has ended.
    gw::Verdict misuse_stream(gw::Exchange exchange) {
      static constexpr gw_stream_events events = {sizeof(gw_stream_events), [](void*, int) {},
                                                  nullptr, nullptr};
      if (ended != nullptr) {
        gw::tables.stream->write(ended, gw::str("more"));
        gw::tables.stream->end(ended);
        ended = nullptr;
        return answer(exchange);
      }
      ended = exchange.begin_stream(200, {}, &events, this);
      gw::tables.stream->write(ended, gw::str("all"));
      gw::tables.stream->end(ended);
      return GW_REPLIED;
    }

    Swap& swap;
    gw::Worker worker;
    gw_exchange* before = nullptr;
    gw_stream* ended = nullptr;
    gw::Verdict late = GW_CONTINUE;
  };

  void start(Part&) {
    if (fail_ == "start") return context_.started(GW_ERROR, "is set to fail in start");
    context_.started();
  }

  // It has a state: how many builds had it before.
  static constexpr std::uint32_t kHandoverFormat = 1;
  gw_status export_state(Part&, std::string& blob) const {
    blob = std::string(builds_, 'x');
    return GW_OK;
  }
  gw_status import_state(Part&, std::uint32_t, std::string_view blob) {
    builds_ = blob.size() + 1;
    return fail_ == "import" ? GW_INVALID : GW_OK;
  }
  void state_moved(Part&) {}
  gw_status answer(Part&, std::uint32_t, std::string_view, std::string&) { return GW_OK; }

 private:
  std::size_t builds_ = 0;
  gw::Context context_;
  std::string mark_;
  bool front_;
  std::string fail_;
};

}  // namespace

#define SWAP_HEAD                                                                   \
  "id = \"swap\"\nversion = \"1.0.0\"\nlicence = \"Apache-2.0\"\nabi = \"" SWAP_ABI \
  "\"\nsummary = \"A plugin for tests of reloads\"\n"

GW_PLUGIN(Swap, SWAP_HEAD R"(
requires = ["gw.context/1", "gw.config/1", "gw.exchange/1", "gw.stream/1", "gw.timer/1", "gw.clock/1"]
provides = ["gw.instance/1", "gw.filter/1", "gw.handover/1"]
[config.role]
type = "string"
default = "back"
one_of = ["front", "back"]
doc = "What it does."
[config.tag]
type = "string"
default = ""
doc = "Part of its mark."
[config.fail]
type = "string"
default = ""
doc = "Where to go wrong."
)");
