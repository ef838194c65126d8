// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/context.h"

#include <openssl/rand.h>

#include <climits>
#include <utility>

namespace {

using gw::plugin_host::Seat;

std::vector<gw::net::Loop*> loops_of(const gw::plugin_host::Host& host) {
  std::vector<gw::net::Loop*> loops;
  for (const std::unique_ptr<Seat>& seat : host.seats) loops.push_back(seat->loop);
  return loops;
}

gw_str view_of(const std::string& text) {
  return {text.data(), text.size()};
}
std::string_view view_of(gw_str text) {
  return {text.ptr, static_cast<std::size_t>(text.len)};
}

}  // namespace

gw_context::gw_context(gw::plugin_host::Host& its_host, std::string its_name)
    : host(its_host),
      name(std::move(its_name)),
      label(name),
      listeners(its_host.listeners),
      posts(std::make_shared<gw::plugin_host::PostBox>(loops_of(its_host), this)),
      lent(std::make_shared<gw::plugin_host::Lent>()),
      health_owner(its_host.health.new_owner()),
      tickets(its_host.seats.size()) {}

gw_context::~gw_context() {
  host.health.remove(health_owner);
}

void gw_context::breach(std::string_view what) const {
  host.log.error("plugins", "instance " + name + " " + std::string(what) + ": aborting");
  host.log.flush();
  std::abort();
}

void gw_context::check_home(const char* call) const {
  if (host.checks_home && !host.seats.empty() && !host.seats[0]->loop->on_loop_thread())
    breach(std::string("called ") + call + " on another thread than its home worker's");
}

void gw_context::expect_started(std::function<void(gw_status, std::string)> done) {
  const std::lock_guard lock(mutex_);
  started_ = std::move(done);
}

void gw_context::expect_stopped(std::function<void()> done) {
  const std::lock_guard lock(mutex_);
  stopped_ = std::move(done);
}

void gw_context::started(gw_status status, std::string message) {
  std::function<void(gw_status, std::string)> done;
  {
    const std::lock_guard lock(mutex_);
    done = std::exchange(started_, nullptr);
  }
  if (done) done(status, std::move(message));
}

void gw_context::stopped() {
  std::function<void()> done;
  {
    const std::lock_guard lock(mutex_);
    done = std::exchange(stopped_, nullptr);
  }
  if (done) done();
}

namespace gw::plugin_host {

namespace {

base::LogLevel level_of(std::int32_t level) {
  if (level <= GW_DEBUG) return base::LogLevel::kDebug;
  if (level == GW_INFO) return base::LogLevel::kInfo;
  return level == GW_WARN ? base::LogLevel::kWarn : base::LogLevel::kError;
}

// Longer lines are cut: a plugin may be logging what a visitor sent.
constexpr std::size_t kMaxLineBytes = 4096;

gw_str name(gw_context* context) {
  return view_of(context->name);
}

std::uint32_t worker_count(gw_context* context) {
  return context->host.worker_count;
}

gw_status listener_at(gw_context* context, std::uint32_t i, gw_listener* out) {
  if (i >= context->listeners.size()) return GW_NOT_FOUND;
  if (out->struct_size < sizeof(gw_listener)) return GW_INVALID;
  out->loopback = context->listeners[i].loopback ? 1 : 0;
  out->address = view_of(context->listeners[i].address);
  return GW_OK;
}

void started(gw_context* context, gw_status status, gw_str message) {
  context->check_home("started");
  context->started(status, std::string(view_of(message)));
}

void stopped(gw_context* context) {
  context->check_home("stopped");
  context->stopped();
}

std::int32_t log_enabled(gw_context* context, std::int32_t level) {
  return context->host.log.enabled(level_of(level)) ? 1 : 0;
}

void log_write(gw_context* context, std::int32_t level, gw_str line) {
  context->host.log.write(level_of(level), context->name, view_of(line).substr(0, kMaxLineBytes));
}

std::uint64_t monotonic_ns(gw_context* context) {
  return context->host.clock.monotonic_ns();
}

std::int64_t wall_ms(gw_context* context) {
  return context->host.clock.wall_ms();
}

void random_fill(gw_context* context, void* out, std::uint64_t size) {
  auto* at = static_cast<unsigned char*>(out);
  while (size > 0) {
    const int piece = size > INT_MAX ? INT_MAX : static_cast<int>(size);
    // Numbers that are not random are worse than none: keys and identifiers come from here.
    if (RAND_bytes(at, piece) != 1) context->breach("found no source of random numbers");
    at += piece;
    size -= static_cast<std::uint64_t>(piece);
  }
}

gw_status post(gw_context* context, std::uint32_t index, void (*run)(void*, void*),
               void (*drop)(void*), void* user) {
  return context->posts->post(index, run, drop, user);
}

}  // namespace

const gw_context_api* context_api() {
  static constexpr gw_context_api api = {
      sizeof(gw_context_api), name, worker_count, listener_at, started, stopped};
  return &api;
}

const gw_log_api* log_api() {
  static constexpr gw_log_api api = {sizeof(gw_log_api), log_enabled, log_write};
  return &api;
}

const gw_clock_api* clock_api() {
  static constexpr gw_clock_api api = {sizeof(gw_clock_api), monotonic_ns, wall_ms};
  return &api;
}

const gw_random_api* random_api() {
  static constexpr gw_random_api api = {sizeof(gw_random_api), random_fill};
  return &api;
}

const gw_post_api* post_api() {
  static constexpr gw_post_api api = {sizeof(gw_post_api), post};
  return &api;
}

}  // namespace gw::plugin_host
