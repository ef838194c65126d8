// SPDX-License-Identifier: Apache-2.0
//
// Log: one line per event on standard error, written off the calling thread through a bounded queue
// (spdlog); when the queue is full the oldest line is lost, never the loop's time.
#pragma once

#include <memory>
#include <string_view>

namespace spdlog {
class logger;
}

namespace gw::base {

enum class LogLevel { kDebug = 1, kInfo = 2, kWarn = 3, kError = 4 };

// Any thread. A value that shares one sink: `named` gives the log of a part of the program.
class Log {
 public:
  // Discards everything.
  Log() = default;
  // Lines at or above `level` go to standard error.
  static Log to_stderr(LogLevel level);

  bool enabled(LogLevel level) const;
  void set_level(LogLevel level) const;
  // Control bytes in `line` are escaped as \xNN.
  void write(LogLevel level, std::string_view component, std::string_view line) const;
  void debug(std::string_view component, std::string_view line) const {
    write(LogLevel::kDebug, component, line);
  }
  void info(std::string_view component, std::string_view line) const {
    write(LogLevel::kInfo, component, line);
  }
  void warn(std::string_view component, std::string_view line) const {
    write(LogLevel::kWarn, component, line);
  }
  void error(std::string_view component, std::string_view line) const {
    write(LogLevel::kError, component, line);
  }
  // Waits until everything written so far is out. Not on a loop.
  void flush() const;

 private:
  struct Sink;
  std::shared_ptr<Sink> sink_;
};

}  // namespace gw::base
