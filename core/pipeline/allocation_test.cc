// SPDX-License-Identifier: Apache-2.0
//
// A steady load of exchanges takes nothing from the heap.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "pipeline/test_world.h"

namespace {
std::atomic<long> allocations{0};
}

// Not inlined: GCC would then see free() meet operator new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace gw::pipeline {
namespace {

using namespace testing;

// A part that does what filters do and notes nothing.
gw_verdict work(void* part, gw_exchange* x, void** slot) {
  *slot = exchange_api()->alloc(x, 64);
  EXPECT_EQ(attribute_api()->set(x, 5, str("alice")), GW_OK);
  EXPECT_EQ(exchange_api()->header_set(x, GW_REQUEST, str("X-User-Id"), str("alice")), GW_OK);
  return part == nullptr ? gw_verdict{GW_CONTINUE} : reply(x, 429, "wait");
}

// One call again and again, and no record of it.
class OneCall final : public http::UpstreamPool {
 public:
  http::UpstreamCall* start(const http::UpstreamTarget&, const http::RequestHead&, base::Arena&,
                            http::UpstreamSink& sink) override {
    call.sink = &sink;
    return &call;
  }
  void close_idle() override {}
  FakeCall call;
};

gw_verdict choose(void*, gw_exchange*, void**, const gw_attempt*, gw_endpoint* out) {
  out->address = str("10.0.0.9:80");
  return GW_CONTINUE;
}

TEST(Allocation, NoneInSteadyState) {
  for (bool forwarded : {false, true}) {
    SCOPED_TRACE(forwarded);
    FakeClock clock;
    FakeScheduler scheduler(clock);
    OneCall pool;
    PartUse use;
    Dispatcher dispatcher({pool, clock, scheduler, {}});
    gw_filter_api filter{};
    filter.struct_size = sizeof filter;
    filter.on_request_head = work;
    gw_router_api router{};
    router.struct_size = sizeof router;
    router.choose = choose;
    Chain chain;
    int replies = 0;
    for (int i = 0; i < 3; ++i) chain.filters.push_back(make_filter_step(&filter, nullptr, use));
    if (!forwarded) chain.filters.push_back(make_filter_step(&filter, &replies, use));
    chain.router = make_router_step(&router, nullptr, use);
    chain.finish();
    auto generation = std::make_unique<WorkerGeneration>();
    generation->chains.push_back(std::move(chain));
    dispatcher.set_generation(std::move(generation));

    for (int i = 0; i < 5; ++i) {
      FakeTransaction client(clock, {});
      client.quiet = true;
      http::ResponseHead head(client.arena());
      head.status = 200;
      const long before = allocations;
      dispatcher.on_request(client);
      if (forwarded) {
        pool.call.sink->on_head(head);
        pool.call.sink->on_body("hello", false);
        pool.call.sink->on_body({}, true);
      }
      const long spent = allocations - before;
      EXPECT_TRUE(client.finished);
      // Chunks of this client's own arena come from malloc; the exchange object is used again.
      if (i > 0) {
        EXPECT_EQ(spent, 0);
      }
    }
  }
}

}  // namespace
}  // namespace gw::pipeline
