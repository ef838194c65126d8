// SPDX-License-Identifier: Apache-2.0
#include "pipeline/dispatcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/prefetch.h"
#include "pipeline/exchange.h"
#include "pipeline/stream.h"
#include "pipeline/wake_table.h"

namespace gw::pipeline {

namespace {
constexpr std::size_t kSpareExchanges = 1024;
}

Dispatcher::Dispatcher(const Environment& environment, const DispatcherOptions& options)
    : environment_(environment),
      options_(options),
      wakes_(std::make_unique<WakeTable>(environment.scheduler, options.max_pauses)) {
  environment_.scheduler.set_work(this);
}

Dispatcher::~Dispatcher() {
  GW_CHECK(open_exchanges() == 0);
  GW_CHECK(open_streams() == 0);
  for (gw_stream* stream : graves_) delete stream;
  environment_.scheduler.set_work(nullptr);
}

void Dispatcher::on_request(http::Transaction& transaction) {
  Exchange* exchange = take_exchange();
  WorkerGeneration* generation = canary_ == nullptr ? current_.get() : generation_of_next();
  if (generation != nullptr) ++generation->exchanges;
  exchange->begin(transaction, generation);
}

Exchange* Dispatcher::take_exchange() {
  metrics_.exchanges_open.add();
  if (spare_.empty()) return new Exchange(*this);
  Exchange* exchange = spare_.back().release();
  spare_.pop_back();
  if (!spare_.empty()) base::prefetch(*spare_.back());  // for who comes next
  return exchange;
}

void Dispatcher::give_exchange(Exchange* exchange) {
  metrics_.exchanges_open.subtract();
  std::unique_ptr<Exchange> owned(exchange);
  if (spare_.size() < kSpareExchanges) spare_.push_back(std::move(owned));
}

// ---- Generations

void Dispatcher::set_generation(std::unique_ptr<WorkerGeneration> next) {
  thread_ = std::this_thread::get_id();
  GW_CHECK(canary_ == nullptr);
  if (current_ != nullptr) retire(std::move(current_));
  current_ = std::move(next);
}

void Dispatcher::retire(std::unique_ptr<WorkerGeneration> old) {
  if (old->exchanges == 0) environment_.scheduler.arm_turn_end();
  retiring_.push_back(std::move(old));
}

void Dispatcher::add_canary(std::unique_ptr<WorkerGeneration> canary, std::uint32_t percent) {
  GW_CHECK(current_ != nullptr && canary_ == nullptr);
  canary_ = std::move(canary);
  canary_percent_ = percent;
  canary_turn_ = 0;
}

void Dispatcher::end_canary(bool promote) {
  GW_CHECK(canary_ != nullptr);
  std::unique_ptr<WorkerGeneration> canary = std::move(canary_);
  promote ? set_generation(std::move(canary)) : retire(std::move(canary));
}

// Evenly spread.
WorkerGeneration* Dispatcher::generation_of_next() {
  canary_turn_ += canary_percent_;
  if (canary_turn_ < 100) return current_.get();
  canary_turn_ -= 100;
  return canary_.get();
}

void Dispatcher::release_generation(WorkerGeneration* generation) {
  if (generation == nullptr) return;
  GW_CHECK(generation->exchanges > 0);
  if (--generation->exchanges == 0 && generation != current_.get() && generation != canary_.get())
    environment_.scheduler.arm_turn_end();
}

void Dispatcher::on_turn_end() {
  wakes_->on_turn_end();
  if (moves_.step(streams_, metrics_, environment_.clock, environment_.on_stream_moved))
    environment_.scheduler.arm_turn_end();
  for (std::size_t i = 0; i < retiring_.size();) {
    if (retiring_[i]->exchanges > 0) {
      ++i;
      continue;
    }
    std::function<void()> retired = std::move(retiring_[i]->on_retired);
    retiring_.erase(retiring_.begin() + static_cast<std::ptrdiff_t>(i));
    if (retired) retired();
  }
}

void Dispatcher::on_deadline(std::uint32_t slot) {
  wakes_->on_deadline(slot);
}

void Dispatcher::on_posted() {
  wakes_->on_posted();
}

void Dispatcher::misused(PartUse* use, std::string_view what, const std::string& words) {
  const char* noted = base::thread_note.who;
  const std::string who = use != nullptr ? use->instance : noted != nullptr ? noted : "unknown";
  if (use != nullptr) ++use->misuses;
  metrics_.misuses.add();
  if (environment_.on_misuse) environment_.on_misuse(who, what);
  if (misuse_log_.allows(environment_.clock.monotonic_ns()))
    misuse_log_.write(environment_.log, base::LogLevel::kError, "pipeline",
                      "plugin instance \"" + who + "\" " + words);
  if (!options_.abort_on_misuse) return;
  if (use != nullptr)
    base::thread_note = {use->label.c_str(), "its misuse of the ABI", use->threads};
  environment_.log.flush();
  GW_CHECK(!"a plugin broke the ABI");
}

// ---- Streams

void Dispatcher::bury(gw_stream* stream) {
  if (graves_.size() < kGraves) return graves_.push_back(stream);
  delete std::exchange(graves_[next_grave_], stream);
  next_grave_ = (next_grave_ + 1) % kGraves;
}

void Dispatcher::drain_streams(const PartUse* use) {
  // An owner may end any of its streams meanwhile: next_stream_ then moves on.
  for (gw_stream* stream = streams_; stream != nullptr; stream = next_stream_) {
    next_stream_ = stream->next();
    if (use == nullptr || stream->use() == use) stream->drain();
  }
}

void Dispatcher::move_streams(const StreamMove& move) {
  moves_.add({move.from, move.to, environment_.clock.monotonic_ns()});
  environment_.scheduler.arm_turn_end();
}

void Dispatcher::stream_ready(const PartUse& use) {
  if (moves_.wants(&use)) environment_.scheduler.arm_turn_end();
}

void Dispatcher::close_streams(const PartUse* use) {
  for (gw_stream* stream = streams_; stream != nullptr; stream = next_stream_) {
    next_stream_ = stream->next();
    if (use == nullptr || stream->use() == use) stream->stop();
  }
}

}  // namespace gw::pipeline
