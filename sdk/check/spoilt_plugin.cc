// SPDX-License-Identifier: Apache-2.0
//
// A filter that goes wrong in the way that its configuration names: for the tests of
// gateway-plugin-check.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <gateway/plugin.hpp>
#include <thread>

namespace {

// In libc's code alone: a thread in this library's would crash when it is unloaded, now and then.
void leave_a_thread() {
  pthread_t thread{};
  auto* run = reinterpret_cast<void* (*)(void*)>(dlsym(RTLD_DEFAULT, "pause"));
  if (pthread_create(&thread, nullptr, run, nullptr) == 0) pthread_detach(thread);
}

class Spoilt {
 public:
  Spoilt(gw::Context context, gw::Config config) : context_(context), way_(config.string("way")) {
    if (way_ == "exit") std::exit(0);
    if (way_ == "hang")
      while (true) std::this_thread::sleep_for(std::chrono::seconds(1));
  }

  struct Part {
    Part(Spoilt& its, gw::Worker its_worker) : spoilt(its), worker(its_worker) {
      if (is("timer"))
        gw::tables.timer->start(
            worker.raw(), 1000, 0, [](void*) {}, nullptr);
      if (is("descriptor")) (void)::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (is("thread")) leave_a_thread();
    }
    bool is(const char* way) const { return spoilt.way_ == way; }

    gw::Verdict on_request_head(gw::Exchange exchange, void*& slot) {
      if (is("crash") && exchange.method() == "BREW") std::raise(SIGSEGV);
      if (is("throw")) throw std::runtime_error("thrown");
      if (is("leak")) slot = new char[1000];
      if (is("twice")) return exchange.reply(200, {}, "a"), exchange.reply(200, {}, "b");
      if (is("forget")) {
        exchange.pause(1000);
        kept = exchange.raw();
        return GW_PAUSE;
      }
      return GW_CONTINUE;
    }
    void on_complete(gw::Exchange, void*&, const gw_outcome&) {
      // Goes on with the one before, which is over.
      if (is("forget") && before != nullptr) (void)gw::Exchange(before).path();
      before = kept;
    }
    gw::Verdict on_request_body(gw::Exchange exchange, void*&, std::string_view data, bool,
                                std::uint64_t& consumed) {
      consumed = data.size();
      if (is("pieces") && data.size() == 7) return exchange.reply(413, {}, "");
      return GW_CONTINUE;
    }

    Spoilt& spoilt;
    gw::Worker worker;
    gw_exchange* kept = nullptr;
    gw_exchange* before = nullptr;
  };

  void start(Part&) {
    if (way_ != "start") context_.started();
  }

 private:
  gw::Context context_;
  std::string way_;
};

}  // namespace

GW_PLUGIN(Spoilt, R"(
id = "spoilt"
version = "1.0.0"
licence = "Apache-2.0"
abi = "1.0"
summary = "A plugin for tests of gateway-plugin-check"
requires = ["gw.context/1", "gw.config/1", "gw.exchange/1", "gw.timer/1"]
provides = ["gw.instance/1", "gw.filter/1"]
[config.way]
type = "string"
default = ""
)");
