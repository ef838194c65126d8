// SPDX-License-Identifier: Apache-2.0
#include "server/watchdog.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "pipeline/loop_scheduler.h"

namespace gw::server {
namespace {

class NoUpstream final : public http::UpstreamPool {
 public:
  http::UpstreamCall* start(const http::UpstreamTarget&, const http::RequestHead&, base::Arena&,
                            http::UpstreamSink&) override {
    return nullptr;
  }
  void close_idle() override {}
};

TEST(Watchdog, SeesALoopThatIsHeldAndThatItGoesOn) {
  base::SystemClock clock;
  base::MetricsRegistry metrics;
  base::HealthRegistry health;
  net::Loop main, loop;
  NoUpstream upstream;
  pipeline::LoopScheduler scheduler(loop);
  pipeline::Dispatcher dispatcher({upstream, clock, scheduler, base::Log()});
  plugin_host::Host host{base::Log(), clock, metrics, health};
  host.main = &main;
  host.seats.push_back(std::make_unique<plugin_host::Seat>());
  host.seats[0]->loop = &loop;
  host.seats[0]->dispatcher = &dispatcher;

  std::promise<void> release;
  loop.post([held = release.get_future().share()] { held.wait(); });
  std::thread worker([&loop] { loop.run(); });
  {
    int told = 0;
    Watchdog watchdog(host, 10, [&](const gw_context* context, const pipeline::PartUse* use) {
      ++told;
      EXPECT_TRUE(context == nullptr && use == nullptr);  // no plugin's code
    });
    while (watchdog.lag_seconds() < 0.05) main.turn(true);
    release.set_value();
    while (watchdog.lag_seconds() > 0.04) main.turn(true);
    EXPECT_EQ(told, 1);
  }
  loop.stop();
  worker.join();
}

}  // namespace
}  // namespace gw::server
