// SPDX-License-Identifier: Apache-2.0
#include "eureka_client.h"

#include <algorithm>
#include <gateway/json.hpp>

namespace gw::router {
namespace {

constexpr std::uint32_t kAgeIntervalMs = 5000;
constexpr std::uint32_t kLeaveTimeoutMs = 2000;
constexpr std::size_t kMaxSmallAnswer = 256 * 1024;
constexpr std::string_view kComponent = "discoveryComposite";

gw_family family(std::uint32_t type, const char* name, const char* help,
                 const gw_str* labels = nullptr, std::uint32_t label_count = 0) {
  return {sizeof(gw_family), type, str(name), str(help), labels, label_count, 0, nullptr};
}

gw_cell* fetch_cell(Worker worker, std::string_view result) {
  static const gw_str kLabel = str("result");
  return worker.cell(
      family(GW_COUNTER, "gateway_registry_fetches_total", "Fetches of the registry", &kLabel, 1),
      {result});
}

}  // namespace

RegistryFetcher::RegistryFetcher(Context context, Worker worker, EurekaOptions& options,
                                 Changed changed, First first)
    : context_(context),
      worker_(worker),
      options_(options),
      changed_(std::move(changed)),
      first_(std::move(first)),
      call_(worker, options.servers, options.max_registry_bytes),
      began_ns_(context.monotonic_ns()),
      instances_(
          worker.cell(family(GW_GAUGE, "gateway_registry_instances", "Instances in the registry"))),
      age_(worker.cell(family(GW_GAUGE, "gateway_registry_age_seconds",
                              "Since the last good fetch; since the start when there was none"))),
      fetched_(fetch_cell(worker, "success")),
      fetch_failed_(fetch_cell(worker, "failure")) {
  report(GW_UNKNOWN, "not yet connected to an Eureka server");
  age_timer_.start(
      worker_, kAgeIntervalMs, [this] { show_age(); }, kAgeIntervalMs);
  fetch();
}

void RegistryFetcher::fetch() {
  if (!complete_) return fetch_full();
  call_.start("GET", "apps/delta", {}, [this](const ServerAnswer& answer) { on_delta(answer); });
}

void RegistryFetcher::fetch_full() {
  call_.start("GET", "apps/", {}, [this](const ServerAnswer& answer) { on_full(answer); });
}

void RegistryFetcher::on_delta(const ServerAnswer& answer) {
  if (answer.status == 0) return failed(answer.error);
  if (answer.status != 200) return fetch_full();  // 403, 404: this server serves no deltas
  std::string error;
  switch (registry_.apply_delta(answer.body, error)) {
    case Registry::Delta::kApplied:
      return succeeded();
    case Registry::Delta::kMismatch:
      context_.log(GW_INFO, "eureka: delta does not fit (" + error + "), fetching all");
      break;
    case Registry::Delta::kInvalid:
      context_.log(GW_WARN, "eureka: unusable delta: " + error + "; fetching all");
      break;
  }
  complete_ = false;
  fetch_full();
}

void RegistryFetcher::on_full(const ServerAnswer& answer) {
  if (answer.status == 0) return failed(answer.error);
  if (answer.status != 200)
    return failed("the registry was answered with " + std::to_string(answer.status));
  std::string error;
  bool was_mismatch = !complete_ && last_success_ns_.has_value();
  if (!registry_.replace(answer.body, error)) return failed("unusable registry: " + error);
  complete_ = true;
  if (was_mismatch && !registry_.changed()) changed_(registry_);  // what the bad delta had changed
  succeeded();
}

void RegistryFetcher::succeeded() {
  bool is_first = !last_success_ns_.has_value();
  if (is_first || !last_failure_.empty())
    context_.log(GW_INFO, "eureka: registry of " + std::to_string(registry_.instance_count()) +
                              " instances");
  if (registry_.odd_instances() > 0 && registry_.changed())
    context_.log(GW_WARN, "eureka: " + std::to_string(registry_.odd_instances()) +
                              " instances without usable host, port or vipAddress");
  last_failure_.clear();
  last_success_ns_ = context_.monotonic_ns();
  tables.metrics->add(fetched_, 1);
  tables.metrics->set(instances_, static_cast<double>(registry_.instance_count()));
  if (registry_.changed() || is_first) changed_(registry_);
  report(GW_UP, {});
  backoff_.reset();
  finish_round(options_.fetch_interval_ms);
}

void RegistryFetcher::failed(const std::string& why) {
  tables.metrics->add(fetch_failed_, 1);
  if (last_failure_ != why)
    context_.log(GW_WARN,
                 "eureka: " + why + (last_success_ns_ ? "; the last registry stays in use" : ""));
  last_failure_ = why;
  report(GW_UNKNOWN, why);
  finish_round(std::min(backoff_.next_ms(), options_.fetch_interval_ms));
}

void RegistryFetcher::finish_round(std::uint32_t next_ms) {
  show_age();
  timer_.start(worker_, next_ms, [this] { fetch(); });
  if (first_) std::exchange(first_, nullptr)();
}

void RegistryFetcher::report(std::int32_t status, const std::string& description) {
  nlohmann::ordered_json details;
  if (!description.empty()) details["description"] = description;
  auto& applications = details["applications"] = nlohmann::ordered_json::object();
  constexpr std::size_t kMostShown = 200;
  for (const auto& [name, instances] : registry_.applications())
    if (applications.size() < kMostShown) applications[name] = instances.size();
  context_.health(kComponent, status,
                  details.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void RegistryFetcher::show_age() {
  const std::uint64_t age_ns = context_.monotonic_ns() - last_success_ns_.value_or(began_ns_);
  tables.metrics->set(age_, static_cast<double>(age_ns) * 1e-9);
}

Registrar::Registrar(Context context, Worker worker, EurekaOptions& options)
    : context_(context),
      worker_(worker),
      options_(options),
      call_(worker, options.servers, kMaxSmallAnswer) {
  sign_on();
}

void Registrar::sign_on() {
  call_.start("POST", options_.self.application_path(),
              options_.self.registration_json(context_.wall_ms()),
              [this](const ServerAnswer& answer) {
                if (answer.status / 100 != 2) return retry(answer, "registration");
                context_.log(GW_INFO, "eureka: registered as " + options_.self.instance_id());
                failing_ = false;
                backoff_.reset();
                timer_.start(worker_, options_.heartbeat_interval_ms, [this] { beat(); });
              });
}

void Registrar::beat() {
  call_.start("PUT", options_.self.heartbeat_path(), {}, [this](const ServerAnswer& answer) {
    if (answer.status == 404) return sign_on();  // forgotten: restarted, or expired
    if (answer.status / 100 != 2) return retry(answer, "heartbeat");
    failing_ = false;
    backoff_.reset();
    timer_.start(worker_, options_.heartbeat_interval_ms, [this] { beat(); });
  });
}

// A lost heartbeat is repeated as a registration: it is right whatever the server still knows.
void Registrar::retry(const ServerAnswer& answer, const char* what) {
  if (!failing_) {
    std::string why =
        answer.status != 0 ? "answered with " + std::to_string(answer.status) : answer.error;
    context_.log(GW_WARN, std::string("eureka: ") + what + " failed: " + why);
  }
  failing_ = true;
  timer_.start(worker_, backoff_.next_ms(), [this] { sign_on(); });
}

void Registrar::leave(std::function<void()> left) {
  timer_.cancel();
  left_ = std::move(left);
  call_.start(
      "GET", options_.self.instance_path(), {},
      [this](const ServerAnswer& answer) {
        bool replaced =
            answer.status == 200 && dirty_timestamp_of(answer.body) > options_.self.dirty_ms;
        if (answer.status == 0 || answer.status == 404 || replaced)
          return std::exchange(left_, nullptr)();
        sign_off();
      },
      kLeaveTimeoutMs);
}

void Registrar::sign_off() {
  call_.start(
      "DELETE", options_.self.instance_path(), {},
      [this](const ServerAnswer&) { std::exchange(left_, nullptr)(); }, kLeaveTimeoutMs);
}

}  // namespace gw::router
