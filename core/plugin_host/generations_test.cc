// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/generations.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "pipeline/loop_scheduler.h"
#include "plugin_host/draw.h"
#include "plugin_host/host_tables.h"

namespace gw::plugin_host {
namespace {

namespace fs = std::filesystem;

class NoUpstream final : public http::UpstreamPool {
 public:
  http::UpstreamCall* start(const http::UpstreamTarget&, const http::RequestHead&, base::Arena&,
                            http::UpstreamSink&) override {
    return nullptr;
  }
  void close_idle() override {}
};

// Runs `work` on the loop's thread and gives what it returns.
template <class Work>
auto on(net::Loop& loop, Work work) {
  auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
  auto result = task->get_future();
  EXPECT_TRUE(loop.post([task] { (*task)(); }));
  EXPECT_EQ(result.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  return result.get();
}

struct TestWorker {
  explicit TestWorker(const base::Clock& clock)
      : scheduler(loop), dispatcher({upstream, clock, scheduler, base::Log()}) {}
  net::Loop loop;
  NoUpstream upstream;
  pipeline::LoopScheduler scheduler;
  pipeline::Dispatcher dispatcher;
  std::thread thread;
};

class GenerationsTest : public testing::Test {
 protected:
  static constexpr std::size_t kWorkers = 2;

  GenerationsTest() {
    std::string name = "/tmp/gateway-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    for (std::size_t i = 0; i < kWorkers; ++i) {
      auto& worker = *workers_.emplace_back(std::make_unique<TestWorker>(clock_));
      host_.seats.push_back(std::make_unique<Seat>());
      host_.seats.back()->loop = &worker.loop;
      host_.seats.back()->dispatcher = &worker.dispatcher;
      worker.thread = std::thread([&worker] { worker.loop.run(); });
    }
    host_.main = &main_;
    host_.worker_count = kWorkers;
    main_thread_ = std::thread([this] { main_.run(); });
  }

  ~GenerationsTest() override {
    std::promise<void> over;
    main_.post([&] { generations_->shut_down([&over] { over.set_value(); }); });
    EXPECT_EQ(over.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    on(main_, [this] {
      generations_.reset();
      return 0;
    });
    main_.stop();
    main_thread_.join();
    for (auto& worker : workers_) {
      worker->loop.stop();
      worker->thread.join();
    }
    fs::remove_all(folder_);
  }

  std::string plugin(const std::string& name, const std::string& file,
                     const std::string& fail = "") {
    return "[[plugin]]\nname = \"" + name + "\"\nfile = \"" + GW_TEST_PLUGINS + "/" + file +
           ".so\"\n[plugin.config]\njournal = \"" + (folder_ / "journal").string() +
           "\"\nfail = \"" + fail + "\"\n";
  }
  static std::string pipeline(const std::string& filters) {
    return "[[pipeline]]\nfilters = [" + filters + "]\n";
  }

  // [main] Draws and activates; the complaints, or the reason of a failed start, or "active <n>".
  std::string reload(const std::string& text) {
    std::promise<std::string> result;
    main_.post([this, &result, text] {
      settings::Complaints complaints;
      auto config = config::load_text(
          "[server]\nlisten = [\"127.0.0.1:8080\"]\nstart_timeout = \"300ms\"\n" + text,
          "gateway.toml", folder_.string(), {}, complaints);
      if (config == nullptr) return result.set_value(complaints.text());
      Blueprint blueprint =
          draw(host_, libraries_, std::move(config), generations_->running(), complaints);
      if (!complaints.empty()) return result.set_value(complaints.text());
      generations_->activate(std::move(blueprint), [&result](base::Result<std::uint64_t> number) {
        result.set_value(number ? "active " + std::to_string(*number) : number.error());
      });
    });
    auto future = result.get_future();
    EXPECT_EQ(future.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    return future.get();
  }

  // Waits until nothing old is left.
  void settle() {
    while (on(main_, [this] { return generations_->retiring() + generations_->ending(); }) != 0)
      std::this_thread::yield();
  }

  std::string journal() {
    std::ifstream file(folder_ / "journal");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Lines of the journal that hold `what`.
  int count(const std::string& what) {
    std::istringstream lines(journal());
    int found = 0;
    for (std::string line; std::getline(lines, line);) found += line == what;
    return found;
  }

  fs::path folder_;
  base::SystemClock clock_;
  base::MetricsRegistry metrics_;
  base::HealthRegistry health_;
  Host host_{base::Log(), clock_, metrics_, health_};
  net::Loop main_;
  std::thread main_thread_;
  std::vector<std::unique_ptr<TestWorker>> workers_;
  Libraries libraries_{base::Log(), host_tables()};
  std::unique_ptr<Generations> generations_ = std::make_unique<Generations>(host_);
};

TEST_F(GenerationsTest, StartsPartsOnEveryWorkerAndEndsThemInOrder) {
  ASSERT_EQ(reload(plugin("a", "probe") + pipeline("\"a\"")), "active 1");
  EXPECT_EQ(count("a create"), 1);
  EXPECT_EQ(count("a create_part 0"), 1);
  EXPECT_EQ(count("a create_part 1"), 1);
  EXPECT_EQ(count("a start"), 1);
  ASSERT_EQ(reload(plugin("b", "probe") + pipeline("\"b\"")), "active 2");
  settle();
  const std::string text = journal();
  const auto stop = text.find("a stop"), part = text.find("a destroy_part"),
             destroy = text.find("a destroy\n");
  EXPECT_LT(stop, part);
  EXPECT_LT(part, destroy);
  EXPECT_NE(destroy, std::string::npos) << text;
  EXPECT_EQ(count("a destroy_part 0") + count("a destroy_part 1"), 2);
  EXPECT_EQ(count("a posted 0") + count("a posted 1"), 2);
}

TEST_F(GenerationsTest, CarriesAnUnchangedInstanceOver) {
  const std::string a = plugin("a", "probe");
  ASSERT_EQ(reload(a + pipeline("\"a\"")), "active 1");
  ASSERT_EQ(reload(a + plugin("b", "probe") + pipeline("\"a\", \"b\"")), "active 2");
  settle();
  EXPECT_EQ(count("a create"), 1);
  EXPECT_EQ(count("a stop"), 0);
  EXPECT_EQ(count("b start"), 1);
}

TEST_F(GenerationsTest, MakesAnInstanceAnewWhenItsConfigurationOrLibraryChanges) {
  fs::copy_file(fs::path(GW_TEST_PLUGINS) / "probe.so", folder_ / "x.so");
  const std::string config =
      "[[plugin]]\nname = \"a\"\nfile = \"./x.so\"\n[plugin.config]\njournal = \"" +
      (folder_ / "journal").string() + "\"\n";
  ASSERT_EQ(reload(config + pipeline("\"a\"")), "active 1");
  ASSERT_EQ(reload(config + "fail = \"nowhere\"\n" + pipeline("\"a\"")), "active 2");
  settle();
  EXPECT_EQ(count("a create"), 2);
  EXPECT_EQ(count("a destroy"), 1);
  fs::copy_file(fs::path(GW_TEST_PLUGINS) / "probe_next.so", folder_ / "x.so",
                fs::copy_options::overwrite_existing);
  ASSERT_EQ(reload(config + "fail = \"nowhere\"\n" + pipeline("\"a\"")), "active 3");
  settle();
  EXPECT_EQ(count("a create"), 3);
  EXPECT_EQ(count("a destroy"), 2);
  EXPECT_EQ(libraries_.stuck(), 0u);
}

TEST_F(GenerationsTest, AFailureLeavesTheRunningGenerationAlone) {
  const std::string a = plugin("a", "probe");
  ASSERT_EQ(reload(a + pipeline("\"a\"")), "active 1");
  const std::pair<const char*, const char*> cases[] = {
      {"create", "is set to fail in create"},
      {"part", "instance b: create_part failed on worker 1"},
      {"start", "instance b failed to start: no such luck"},
      {"start_never", "instance b did not start within 300 ms"},
  };
  int made = 0;
  for (const auto& [fail, expected] : cases) {
    const std::string text = reload(a + plugin("b", "probe", fail) + pipeline("\"a\", \"b\""));
    EXPECT_NE(text.find(expected), std::string::npos) << fail << ": " << text;
    settle();
    EXPECT_EQ(count("b create"), ++made);
    EXPECT_EQ(count("b create_part 0"), count("b destroy_part 0"));
    EXPECT_EQ(count("b stop"), 0);
    EXPECT_EQ(on(main_, [this] { return generations_->active(); }), 1u);
  }
  EXPECT_EQ(count("b destroy"), made - 1);  // all but the one that create refused
  EXPECT_EQ(count("a stop"), 0);
}

TEST_F(GenerationsTest, ComplaintsNameThePlace) {
  const std::string text =
      reload(plugin("a", "probe", "create") + plugin("b", "probe_consumer") + plugin("c", "good") +
             "[[plugin]]\nname = \"d\"\nfile = \"absent.so\"\n" + pipeline("\"b\", \"c\""));
  EXPECT_NE(text.find("gateway.toml:9:1: "), std::string::npos) << text;  // a's key `fail`
  EXPECT_NE(text.find("is set to fail in create"), std::string::npos) << text;
  EXPECT_NE(text.find("unknown key"), std::string::npos) << text;  // c has no configuration
  EXPECT_NE(text.find("absent.so"), std::string::npos) << text;
}

TEST_F(GenerationsTest, RefusesPipelinesThatDoNotFitTogether) {
  const std::string probe = plugin("provider", "probe");
  const std::string consumer = plugin("consumer", "probe_consumer");
  const std::string plain =
      std::string("[[plugin]]\nname = \"plain\"\nfile = \"") + GW_TEST_PLUGINS + "/good.so\"\n";
  const std::pair<std::string, const char*> cases[] = {
      {probe + consumer + pipeline("\"consumer\", \"provider\""),
       "consumer needs the attribute probe.colour: provider, which provides it, must stand before"},
      {consumer + pipeline("\"consumer\""),
       "consumer needs the attribute probe.colour, which nothing in this pipeline provides"},
      {plain + pipeline("\"plain\""), "plain is neither filter nor router"},
  };
  for (const auto& [config, expected] : cases) {
    const std::string text = reload(config);
    EXPECT_NE(text.find(expected), std::string::npos) << text;
    EXPECT_EQ(text.find("gateway.toml:"), 0u) << text;
  }
  EXPECT_EQ(reload(probe + consumer + pipeline("\"provider\", \"consumer\"")), "active 1");
}

TEST_F(GenerationsTest, AnInstanceWithAnOpenStreamStaysUntilItCloses) {
  ASSERT_EQ(reload(plugin("a", "probe") + pipeline("\"a\"")), "active 1");
  Instance* a = on(main_, [this] { return generations_->running()[0].get(); });
  on(*host_.seats[1]->loop, [a] { return ++a->use(1).streams; });
  ASSERT_EQ(reload(plugin("b", "probe") + pipeline("\"b\"")), "active 2");
  ASSERT_EQ(reload(plugin("c", "probe") + pipeline("\"c\"")), "active 3");
  while (count("b destroy") == 0) std::this_thread::yield();
  EXPECT_EQ(count("a stop"), 0);
  EXPECT_EQ(on(main_, [this] { return generations_->ending(); }), 1u);
  on(*host_.seats[1]->loop, [a] {
    pipeline::PartUse& use = a->use(1);
    --use.streams;
    use.on_idle(use.user);
    return 0;
  });
  settle();
  EXPECT_EQ(count("a destroy"), 1);
}

TEST_F(GenerationsTest, TicketsThatAPartLeavesBehindAreCancelled) {
  ASSERT_EQ(reload(plugin("a", "probe", "leak") + pipeline("\"a\"")), "active 1");
  ASSERT_EQ(reload(plugin("b", "probe") + pipeline("\"b\"")), "active 2");
  settle();
  EXPECT_EQ(count("a destroy"), 1);
}

TEST_F(GenerationsTest, ACanaryThatIsGivenUpIsCountedByReason) {
  ASSERT_EQ(reload(plugin("a", "probe") + pipeline("\"a\"")), "active 1");
  const std::string canary =
      "canary_percent = 50\ncanary_time = \"1h\"\n" + plugin("b", "probe") + pipeline("\"b\"");
  const auto counts = [this] {
    std::vector<std::uint64_t> all;
    for (std::size_t why = 0; why < std::size(kCanaryEnds); ++why)
      all.push_back(generations_->canaries_failed(static_cast<CanaryEnd>(why)));
    return all;
  };
  std::vector<std::uint64_t> expected(std::size(kCanaryEnds));
  for (const CanaryEnd why : {CanaryEnd::kReload, CanaryEnd::kShutdown}) {
    auto result = std::async(std::launch::async, [&] { return reload(canary); });
    while (!on(main_, [this] { return generations_->trying(); })) std::this_thread::yield();
    std::promise<void> over;
    main_.post([&] {
      if (why == CanaryEnd::kShutdown)
        return generations_->shut_down([&over] { over.set_value(); });
      generations_->give_canary_up(why, "another reload was asked for");
      over.set_value();
    });
    EXPECT_EQ(result.get(), why == CanaryEnd::kShutdown
                                ? "canary given up: the gateway ends"
                                : "canary given up: another reload was asked for");
    ASSERT_EQ(over.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    ++expected[static_cast<std::size_t>(why)];
    EXPECT_EQ(on(main_, counts), expected);
    EXPECT_EQ(on(main_, [this] { return generations_->active(); }),
              why == CanaryEnd::kShutdown ? 0u : 1u);
  }
}

TEST_F(GenerationsTest, AnInstanceThatDoesNotStopIsTakenDownAtTheDeadline) {
  const std::string drain = "drain_timeout = \"200ms\"\n";
  ASSERT_EQ(reload(drain + plugin("a", "probe", "stop_never") + pipeline("\"a\"")), "active 1");
  ASSERT_EQ(reload(drain + plugin("b", "probe") + pipeline("\"b\"")), "active 2");
  settle();
  EXPECT_EQ(count("a stop"), 1);
  EXPECT_EQ(count("a destroy"), 1);
}

}  // namespace
}  // namespace gw::plugin_host
