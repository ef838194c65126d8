// SPDX-License-Identifier: Apache-2.0
#include "check/world.h"

#include <stdexcept>

#include "check/trial.h"
#include "testing/replay.h"
#include "testing/straight.h"

namespace gw::check {

namespace {

constexpr std::int64_t kWallMs = 1'767'225'600'000;  // 2026-01-01
constexpr std::uint32_t kStepMs = 100;
constexpr std::uint32_t kLongestMs = 300'000;  // of the fake clock

}  // namespace

World::World(const Loaded& loaded, const std::string& config) : loaded_(loaded) {
  host_.collect_breaches();
  doing("in create or create_part");
  router_ = std::make_unique<testing::Instance>(host_, testing::straight_router(), "", "straight");
  plugin_ = std::make_unique<testing::Instance>(host_, loaded.plugin(), config, "checked");
  if (plugin_->created()) return;
  std::string all = config.empty() ? "refuses to be without configuration (--config FILE):"
                                   : "refuses its configuration:";
  for (const std::string& line : plugin_->complaints()) all += "\n  " + line;
  throw std::runtime_error(all);
}

void World::start() {
  doing("while it starts");
  if (router_->start() != GW_OK) throw std::runtime_error("the router did not start");
  const gw_status status = plugin_->start();
  if (status == GW_TIMEOUT) throw std::runtime_error("does not call `started`");
  if (status != GW_OK)
    throw std::runtime_error("does not start (status " + std::to_string(status) +
                             "): " + plugin_->start_message());
  expect_no_breach();
  doing("after it has started");
}

void World::end() {
  doing("in stop, destroy_part or destroy");
  plugin_.reset();
  router_.reset();
  expect_no_breach();
  if (const std::size_t left = host_.live_tickets(); left > 0)
    throw std::runtime_error("left " + std::to_string(left) + " tickets behind");
}

bool World::serves() const {
  const settings::Manifest& manifest = loaded_.manifest();
  return manifest.provides(GW_FILTER_ID) || manifest.provides(GW_ROUTER_ID);
}

std::unique_ptr<testing::Exchange> World::begin(testing::RequestSpec request) {
  request.attributes.emplace("request.id", "check");
  for (const std::string& name : loaded_.manifest().attributes.consumes)
    request.attributes.emplace(name, "check");
  const std::vector<std::string> pieces = request.body;
  auto echo = [pieces](const testing::UpstreamRequest&) {
    testing::UpstreamAnswer answer;
    answer.headers = {{"Content-Type", "text/plain"}};
    answer.body = pieces;
    return answer;
  };
  std::vector<testing::Instance*> pipeline = {plugin_.get()};
  if (loaded_.manifest().provides(GW_FILTER_ID)) pipeline.push_back(router_.get());
  return std::make_unique<testing::Exchange>(host_, pipeline, std::move(request), echo);
}

Outcome World::run(const testing::RequestSpec& request) {
  doing("with " + request.method + " " + request.target.substr(0, 80) +
        (request.body.empty() ? "" : " and a body"));
  host_.set_wall_ms(kWallMs);  // what real time passed while the plugin started shows in no answer
  auto exchange = begin(request);
  host_.run();
  for (std::uint32_t waited = 0; !exchange->done() && !exchange->streaming(); waited += kStepMs) {
    if (waited > kLongestMs) throw std::runtime_error("an exchange does not end");
    host_.advance(kStepMs);
  }
  Outcome outcome;
  outcome.streamed = exchange->streaming();
  if (outcome.streamed) host_.advance(30 * kStepMs);
  outcome.status = exchange->status();
  outcome.headers = exchange->headers();
  outcome.body = exchange->body();
  for (const auto& sent : exchange->upstream_requests()) outcome.sent.push_back(sent.body);
  exchange.reset();
  host_.run();
  expect_no_breach();
  return outcome;
}

std::vector<std::string> World::replay(const std::string& recording) {
  if (!loaded_.manifest().provides(GW_FILTER_ID))
    throw std::runtime_error("is no filter: there is nothing to replay");
  return testing::replay(host_, *plugin_, recording);
}

void World::expect_no_breach() {
  for (const auto& line : host_.log())
    if (line.text.starts_with("exception in "))  // of gateway/plugin.hpp
      throw std::runtime_error("lets an exception out of a callback: " + line.text);
  if (host_.breaches().empty()) return;
  std::string all = "broke a rule of the ABI:";
  for (const std::string& breach : host_.breaches()) all += "\n  " + breach;
  throw std::runtime_error(all);
}

}  // namespace gw::check
