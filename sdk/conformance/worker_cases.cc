// SPDX-License-Identifier: Apache-2.0
//
// "gw.context/1", "gw.worker/1", "gw.timer/1", "gw.fd/1", "gw.turn/1" and "gw.post/1".
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "probe.h"

namespace gw::conformance {

namespace {

void context(Part& part, Exchange, Report& report) {
  const Context& own = part.instance.context;
  CONFORMS(report, own.name() == "conformance");
  CONFORMS(report, own.worker_count() >= 1);
  CONFORMS(report, part.worker.index() < own.worker_count());
  gw_listener listener{};
  listener.struct_size = sizeof listener;
  CONFORMS(report, tables.context->listener_at(own.raw(), 0, &listener) == GW_OK);
  CONFORMS(report, !view(listener.address).empty());
  CONFORMS(report, listener.loopback == 1);
  CONFORMS(report, tables.context->listener_at(own.raw(), 1000, &listener) == GW_NOT_FOUND);
  CONFORMS(report, part.instance.tally.started);
}

class Timers : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    tables.timer->cancel(nullptr);
    began_ns_ = part.instance.context.monotonic_ns();
    never_.start(part.worker, 5,
                 [this] { report.expect(false, "a cancelled timer stays silent"); });
    never_.cancel();
    once_.start(part.worker, 50, [this] { ++fired_; });
    CONFORMS(report, fired_ == 0);
    again_.start(
        part.worker, 20, [this] { repeat(); }, 20);
  }

 private:
  void repeat() {
    if (++repeats_ < 4) return;
    again_.cancel();  // inside its own fire
    std::uint64_t taken_ms = (part.instance.context.monotonic_ns() - began_ns_) / 1'000'000;
    CONFORMS(report, taken_ms >= 60);  // 80, of a coarse clock
    last_.start(part.worker, 60, [this] {
      CONFORMS(report, fired_ == 1);
      CONFORMS(report, repeats_ == 4);
      finish();
    });
  }
  Timer never_, once_, again_, last_;
  std::uint64_t began_ns_ = 0;
  int fired_ = 0, repeats_ = 0;
};

class Turns : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    hook_ =
        Ticket(tables.turn->create(
                   part.worker.raw(), [](void* user) { static_cast<Turns*>(user)->ran(); }, this),
               tables.turn->cancel);
    cancelled_ = Ticket(tables.turn->create(
                            part.worker.raw(),
                            [](void* user) {
                              static_cast<Turns*>(user)->report.expect(
                                  false, "a cancelled hook stays silent");
                            },
                            this),
                        tables.turn->cancel);
    idle_ = Ticket(tables.turn->create(
                       part.worker.raw(),
                       [](void* user) {
                         static_cast<Turns*>(user)->report.expect(false,
                                                                  "an unarmed hook stays silent");
                       },
                       this),
                   tables.turn->cancel);
    tables.turn->arm(cancelled_.get());
    cancelled_.reset();
    tables.turn->arm(hook_.get());
    tables.turn->arm(hook_.get());
    CONFORMS(report, runs_ == 0);
    timer_.start(part.worker, 30, [this] {
      CONFORMS(report, runs_ == 1);  // armed twice, run once, and not again
      tables.turn->arm(hook_.get());
      timer_.start(part.worker, 30, [this] {
        CONFORMS(report, runs_ == 2);
        finish();
      });
    });
  }

 private:
  void ran() { ++runs_; }
  Ticket hook_, cancelled_, idle_;
  Timer timer_;
  int runs_ = 0;
};

// One end of a socket pair: waits for bytes, rests, waits for room, and cancels inside its
// callback.
class Descriptors : public Probe {
 public:
  using Probe::Probe;
  ~Descriptors() override {
    watch_.reset();
    for (int fd : pair_) close(fd);
  }
  void begin(Exchange) override {
    auto ready = [](void* user, std::uint32_t events) {
      static_cast<Descriptors*>(user)->ready(events);
    };
    CONFORMS(report, tables.fd->watch(part.worker.raw(), -1, GW_FD_READ, ready, this) == nullptr);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair_.data()) != 0) {
      report.expect(false, "a socket pair can be had");
      return finish();
    }
    watch_ = Ticket(tables.fd->watch(part.worker.raw(), pair_[0], GW_FD_READ, ready, this),
                    tables.fd->cancel);
    CONFORMS(report, watch_.get() != nullptr);
    timer_.start(part.worker, 30, [this] {
      CONFORMS(report, calls_ == 0);  // nothing to read yet
      send();
    });
  }

 private:
  void send() { report.expect(write(pair_[1], "x", 1) == 1, "a byte can be sent"); }
  void ready(std::uint32_t events) {
    ++calls_;
    if (step_ == 0) {  // level-triggered: the byte is left, so it comes again
      CONFORMS(report, events == GW_FD_READ);
      if (calls_ < 2) return;
      step_ = 1;
      CONFORMS(report, tables.fd->update(watch_.get(), 0) == GW_OK);
      CONFORMS(report, tables.fd->update(watch_.get(), 0) == GW_OK);
      timer_.start(part.worker, 30, [this] {
        CONFORMS(report, calls_ == 2);  // at rest
        CONFORMS(report, tables.fd->update(watch_.get(), GW_FD_READ | GW_FD_WRITE) == GW_OK);
      });
    } else {
      CONFORMS(report, events == (GW_FD_READ | GW_FD_WRITE));
      watch_.reset();
      timer_.start(part.worker, 30, [this] {
        CONFORMS(report, calls_ == 3);
        finish();
      });
    }
  }
  std::array<int, 2> pair_{-1, -1};
  Ticket watch_;
  Timer timer_;
  int calls_ = 0, step_ = 0;
};

// A closed peer: both events are reported.
class HangUp : public Probe {
 public:
  using Probe::Probe;
  ~HangUp() override {
    watch_.reset();
    close(pair_[0]);
  }
  void begin(Exchange) override {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair_.data()) != 0)
      return finish();
    close(pair_[1]);
    auto ready = [](void* user, std::uint32_t events) {
      auto* self = static_cast<HangUp*>(user);
      self->report.expect((events & GW_FD_READ) != 0, "a hang-up counts as readable");
      self->watch_.reset();
      self->finish();
    };
    watch_ = Ticket(tables.fd->watch(part.worker.raw(), pair_[0], GW_FD_READ, ready, this),
                    tables.fd->cancel);
    CONFORMS(report, watch_.get() != nullptr);
  }

 private:
  std::array<int, 2> pair_{-1, -1};
  Ticket watch_;
};

// Work goes to every worker and comes back; what is posted to one worker keeps its order. The probe
// itself is only touched on its own worker.
class Posts : public Probe {
 public:
  using Probe::Probe;
  void begin(Exchange) override {
    const Context& own = part.instance.context;
    gw_status status = tables.post->post(
        own.raw(), own.worker_count(), [](void*, void*) {}, nullptr, nullptr);
    CONFORMS(report, status == GW_NOT_FOUND);
    workers_ = own.worker_count();
    std::uint32_t home = part.worker.index();
    for (std::uint32_t to = 0; to < workers_; ++to)
      for (int i = 0; i < 3; ++i)
        own.post<Part>(to, [this, home, to, i](Part& there) {
          bool right = there.worker.index() == to;
          there.instance.context.template post<Part>(home, [this, to, i, right](Part& here) {
            came_back(&here == &part && right, to, i);
          });
        });
    CONFORMS(report, came_ == 0);
  }

 private:
  void came_back(bool right, std::uint32_t from, int i) {
    CONFORMS(report, right);
    CONFORMS(report, next_[from]++ == i);
    if (++came_ == workers_ * 3) finish();
  }
  std::uint32_t workers_ = 0, came_ = 0;
  std::map<std::uint32_t, int> next_;
};

template <class P>
std::unique_ptr<Probe> make(Part& part, Exchange) {
  return std::make_unique<P>(part);
}

}  // namespace

void add_worker_cases(Cases& cases) {
  cases.immediate.insert({{"context", context}});
  cases.started.insert({{"timer", make<Timers>},
                        {"turn", make<Turns>},
                        {"fd", make<Descriptors>},
                        {"fd-hang-up", make<HangUp>},
                        {"post", make<Posts>}});
}

}  // namespace gw::conformance
