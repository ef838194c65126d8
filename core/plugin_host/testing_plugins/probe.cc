// SPDX-License-Identifier: Apache-2.0
//
// A filter and router that writes down what is done with it and fails where its configuration says.
#include <fstream>
#include <gateway/plugin.hpp>
#include <mutex>

namespace {

std::mutex journal_mutex;

class Probe {
 public:
  Probe(gw::Context context, gw::Config config)
      : context_(context), journal_(config.string("journal")), fail_(config.string("fail")) {
    note("create");
    if (fail_ == "create") throw gw::ConfigError("fail", "is set to fail in create");
  }
  ~Probe() { note("destroy"); }

  struct Part {
    Part(Probe& its_probe, gw::Worker its_worker) : probe(its_probe), worker(its_worker) {
      probe.note("create_part " + std::to_string(worker.index()));
      if (probe.fail_ == "part" && worker.index() == probe.context_.worker_count() - 1)
        throw std::runtime_error("a part fails");
      if (probe.fail_ == "leak")
        gw::tables.timer->start(
            worker.raw(), 60000, 0, [](void*) {}, nullptr);
    }
    ~Part() { probe.note("destroy_part " + std::to_string(worker.index())); }

    gw::Verdict on_request_head(gw::Exchange exchange, void*&) {
      return exchange.reply(200, {}, probe.fail_);
    }
    gw::Verdict choose(gw::Exchange exchange, void*&, const gw_attempt*, gw_endpoint&) {
      return exchange.reply(200, {}, probe.fail_);
    }

    Probe& probe;
    gw::Worker worker;
    std::optional<gw::Timer> timer;
  };

  void start(Part& home) {
    note("start");
    if (fail_ == "start") return context_.started(GW_ERROR, "no such luck");
    if (fail_ == "start_never") return;
    home.timer.emplace().start(home.worker, 10, [this] {
      for (std::uint32_t i = 0; i < context_.worker_count(); ++i)
        context_.post<Part>(i, [](Part& part) {
          part.probe.note("posted " + std::to_string(part.worker.index()));
        });
      context_.started();
    });
  }
  void stop(Part&) {
    note("stop");
    if (fail_ != "stop_never") context_.stopped();
  }

  static std::span<const gw_command> commands() {
    static constexpr gw_command all[] = {{"probe", "Prints its arguments."}};
    return all;
  }
  int run(std::string_view, gw::Terminal terminal) {
    for (const std::string& argument : terminal.arguments()) terminal.out(argument + "\n");
    return 7;
  }

 private:
  void note(const std::string& what) const {
    if (journal_.empty()) return;
    const std::lock_guard lock(journal_mutex);
    std::ofstream(journal_, std::ios::app) << context_.name() << " " << what << "\n";
  }

  gw::Context context_;
  std::string journal_;
  std::string fail_;
};

}  // namespace

#define PROBE_HEAD                                \
  "id = \"probe\"\nversion = \"" PROBE_VERSION    \
  "\"\nabi = \"1.0\"\nlicence = \"Apache-2.0\"\n" \
  "summary = \"A plugin for tests\"\n"

GW_PLUGIN(Probe, PROBE_HEAD R"(
requires = ["gw.context/1", "gw.config/1", "gw.exchange/1", "gw.timer/1", "gw.post/1", "gw.worker/1"]
provides = ["gw.instance/1", "gw.filter/1", "gw.router/1", "gw.command/1"]
[attributes]
provides = [)" PROBE_PROVIDES R"(]
consumes = [)" PROBE_CONSUMES R"(]
[config.journal]
type = "string"
default = ""
doc = "File to which events are appended."
[config.fail]
type = "string"
default = ""
doc = "Where to fail."
)");
