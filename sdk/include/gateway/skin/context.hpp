// SPDX-License-Identifier: Apache-2.0
//
// The host's side of an instance: as a whole, on one worker, at a terminal. Part of gateway/plugin.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tables.hpp"

namespace gw {

// Appends what is written to a string, as far as there is memory.
inline gw_sink sink_into(std::string& text) {
  return {sizeof(gw_sink), 0, &text, [](void* user, gw_str data) -> gw_status {
            try {
              static_cast<std::string*>(user)->append(view(data));
              return GW_OK;
            } catch (...) {
              return GW_LIMIT;
            }
          }};
}

// The host's side of an instance. A value; usable from any thread.
class Context {
 public:
  explicit Context(gw_context* context) : context_(context) {}
  gw_context* raw() const { return context_; }
  std::string_view name() const { return view(tables.context->name(context_)); }
  std::uint32_t worker_count() const { return tables.context->worker_count(context_); }
  std::vector<gw_listener> listeners() const {
    std::vector<gw_listener> all;
    gw_listener out{};
    out.struct_size = sizeof out;
    while (tables.context->listener_at(context_, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.push_back(out);
    return all;
  }
  void started(gw_status status = GW_OK, std::string_view message = {}) const {
    tables.context->started(context_, status, str(message));
  }
  void stopped() const { tables.context->stopped(context_); }
  void log(std::int32_t level, std::string_view line) const {
    tables.log->write(context_, level, str(line));
  }
  std::uint64_t monotonic_ns() const { return tables.clock->monotonic_ns(context_); }
  std::int64_t wall_ms() const { return tables.clock->wall_ms(context_); }
  void random(void* out, std::size_t size) const { tables.random->fill(context_, out, size); }
  void health(std::string_view component, std::int32_t status,
              std::string_view details_json = {}) const {
    gw_health_entry entry{sizeof(gw_health_entry), status, str(component), str(details_json)};
    tables.health->report(context_, &entry);
  }
  // After the state has moved (abi/handover.h): asks the instance that has it now.
  gw_status ask_successor(std::uint32_t format, std::string_view question,
                          std::string& answer) const {
    const gw_sink sink = sink_into(answer);
    return tables.successor->ask(context_, format, str(question), &sink);
  }
  // Runs `run(part)` on worker `index` with that worker's part; dropped when the instance is over by then.
  template <class Part, class Run>
  void post(std::uint32_t index, Run run) const {
    auto* work = new Run(std::move(run));
    gw_status status = tables.post->post(
        context_, index,
        [](void* part, void* user) {
          std::unique_ptr<Run> owned(static_cast<Run*>(user));
          try {
            (*owned)(*static_cast<Part*>(part));
          } catch (...) {  // nothing to answer: the work is lost, the process is not
          }
        },
        [](void* user) { delete static_cast<Run*>(user); }, work);
    if (status != GW_OK) delete work;
  }

 private:
  gw_context* context_;
};

// The host's side of an instance on one worker. A value; for that worker's thread only.
class Worker {
 public:
  explicit Worker(gw_worker* worker) : worker_(worker) {}
  gw_worker* raw() const { return worker_; }
  std::uint32_t index() const { return tables.worker->index(worker_); }
  gw_cell* cell(const gw_family& family,
                std::initializer_list<std::string_view> label_values = {}) const {
    std::vector<gw_str> values;
    for (std::string_view value : label_values) values.push_back(str(value));
    return tables.metrics->cell(worker_, &family, values.data());
  }

 private:
  gw_worker* worker_;
};

// Where a plugin's command writes to.
class Terminal {
 public:
  explicit Terminal(const gw_terminal* terminal) : terminal_(terminal) {}
  std::vector<std::string> arguments() const {
    std::vector<std::string> all;
    for (std::uint32_t i = 0; i < terminal_->argument_count; ++i)
      all.emplace_back(view(terminal_->arguments[i]));
    return all;
  }
  void out(std::string_view text) const { terminal_->write(terminal_->host, 1, str(text)); }
  void error(std::string_view text) const { terminal_->write(terminal_->host, 2, str(text)); }

 private:
  const gw_terminal* terminal_;
};

}  // namespace gw
