// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

namespace gw::base {

namespace {

constexpr std::size_t kQueueLines = 8192;
constexpr int kPatienceMs = 1000;

// Standard error. Whoever reads it and does not for a second loses lines, until there is room again:
// the process must be able to end.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    stalled_ = ::poll(&room, 1, stalled_ ? 0 : kPatienceMs) == 0;
    if (stalled_) return;
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    (void)!::write(STDERR_FILENO, line.data(), line.size());
  }
  void flush_() override {}

  bool stalled_ = false;
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string escaped(std::string_view line) {
  std::string out;
  for (char c : line) {
    if (is_control(c)) {
      char hex[5];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      out += hex;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

struct Log::Sink {
  explicit Sink(LogLevel level)
      : pool(std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1)),
        logger(
            std::make_shared<spdlog::async_logger>("gateway", std::make_shared<StderrSink>(), pool,
                                                   spdlog::async_overflow_policy::overrun_oldest)) {
    logger->set_level(spdlog_level(level));
    logger->flush_on(spdlog::level::debug);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc);
  }
  // The writer goes first: it ends when the queue is empty, and may still use the logger until
  // then.
  ~Sink() { pool.reset(); }
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

Log Log::to_stderr(LogLevel level) {
  Log log;
  log.sink_ = std::make_shared<Sink>(level);
  return log;
}

bool Log::enabled(LogLevel level) const {
  return sink_ != nullptr && sink_->logger->should_log(spdlog_level(level));
}

void Log::set_level(LogLevel level) const {
  if (sink_ != nullptr) sink_->logger->set_level(spdlog_level(level));
}

void Log::write(LogLevel level, std::string_view component, std::string_view line) const {
  if (!enabled(level)) return;
  sink_->logger->log(spdlog_level(level), "{}: {}", component, escaped(line));
}

void Log::flush() const {
  if (sink_ == nullptr) return;
  // The queue is emptied in order: an empty pool has written all that came before.
  while (sink_->pool->queue_size() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace gw::base
