// SPDX-License-Identifier: Apache-2.0
//
// The plugin ABI for C++20: names, views and ownership, and no behaviour of its own. A plugin is a class
// with a nested `Part`, and one line:
//
//   class Hello {
//    public:
//     Hello(gw::Context, gw::Config config) : text_(config.string("text")) {}
//     struct Part {
//       Part(Hello& hello, gw::Worker) : hello(hello) {}
//       gw::Verdict on_request_head(gw::Exchange x, void*&) { return x.reply(200, {}, hello.text_); }
//       Hello& hello;
//     };
//     std::string text_;
//   };
//   GW_PLUGIN(Hello, R"(id = "hello" ... )")
//
// What the class and its Part have of the functions below decides which phases the host calls:
//   instance   Instance(Context, Config); throws gw::ConfigError, or complains and throws it
//              void start(Part& home), void stop(Part& home)     end with Context::started / stopped
//              static commands() -> std::span<const gw_command>, int run(std::string_view, Terminal)
//   part       Part(Instance&, Worker)
//   filter     Verdict on_request_head(Exchange, void*& slot)
//              Verdict on_request_body(Exchange, void*& slot, std::string_view, bool last, uint64_t& consumed)
//              Verdict on_resume(Exchange, void*& slot)
//              Verdict on_response_head(Exchange, void*& slot)
//              Verdict on_response_body(Exchange, void*& slot, std::string_view, bool last, uint64_t& consumed)
//              void on_complete(Exchange, void*& slot, const gw_outcome&)
//   hand-over  part: gw_status export_stream(void* owner, std::string& blob)
//              gw_status adopt_stream(gw_stream*, std::uint32_t format, std::string_view blob,
//                                     const gw_stream_events*& events, void*& owner)
//              void stream_moved(void* owner);   instance: static constexpr std::uint32_t kHandoverFormat;
//              gw_status export_state(Part& home, std::string& blob), void state_moved(Part& home)
//              gw_status import_state(Part& home, std::uint32_t format, std::string_view blob)
//              gw_status answer(Part& home, std::uint32_t format, std::string_view question, std::string& out)
//   router     Verdict choose(Exchange, void*& slot, const gw_attempt* previous, gw_endpoint& out)
//              void outcome(Exchange, void*& slot, const gw_attempt&)
// An exception that leaves one of them is logged and fails the exchange with 500: never open.
#pragma once

#include <gateway/plugin.h>

#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw {

using Verdict = gw_verdict;

inline std::string_view view(gw_str s) {
  return {s.ptr, static_cast<std::size_t>(s.len)};
}
inline gw_str str(std::string_view s) {
  return {s.data(), s.size()};
}

// The host's tables, filled by `init`. One set per loaded library; required ones are never null.
struct Tables {
  const gw_context_api* context = nullptr;
  const gw_config_api* config = nullptr;
  const gw_attribute_api* attribute = nullptr;
  const gw_text_api* text = nullptr;
  const gw_exchange_api* exchange = nullptr;
  const gw_stream_api* stream = nullptr;
  const gw_worker_api* worker = nullptr;
  const gw_timer_api* timer = nullptr;
  const gw_fd_api* fd = nullptr;
  const gw_turn_api* turn = nullptr;
  const gw_post_api* post = nullptr;
  const gw_resolve_api* resolve = nullptr;
  const gw_call_api* call = nullptr;
  const gw_offload_api* offload = nullptr;
  const gw_log_api* log = nullptr;
  const gw_clock_api* clock = nullptr;
  const gw_random_api* random = nullptr;
  const gw_metrics_api* metrics = nullptr;
  const gw_health_api* health = nullptr;
  const gw_report_api* report = nullptr;
  const gw_successor_api* successor = nullptr;

  void load(const gw_host* host) {
    auto get = [host](auto& table, const char* id) {
      table = static_cast<std::remove_reference_t<decltype(table)>>(host->get_interface(host, id));
    };
    get(context, GW_CONTEXT_ID), get(config, GW_CONFIG_ID), get(attribute, GW_ATTRIBUTE_ID);
    get(text, GW_TEXT_ID), get(exchange, GW_EXCHANGE_ID), get(stream, GW_STREAM_ID);
    get(worker, GW_WORKER_ID), get(timer, GW_TIMER_ID), get(fd, GW_FD_ID), get(turn, GW_TURN_ID);
    get(post, GW_POST_ID), get(resolve, GW_RESOLVE_ID), get(call, GW_CALL_ID);
    get(log, GW_LOG_ID), get(clock, GW_CLOCK_ID), get(random, GW_RANDOM_ID);
    get(metrics, GW_METRICS_ID), get(health, GW_HEALTH_ID);
    get(report, GW_REPORT_ID), get(successor, GW_SUCCESSOR_ID), get(offload, GW_OFFLOAD_ID);
  }
};

inline Tables tables;

// The configuration is not acceptable. With a message: about the key named; without: complained already.
class ConfigError : public std::runtime_error {
 public:
  ConfigError() : std::runtime_error("") {}
  ConfigError(std::string about, const std::string& message)
      : std::runtime_error(message), key(std::move(about)) {}
  std::string key;
};

// A table of the checked configuration. Reading what the schema lacks is a bug and throws logic_error.
class Config {
 public:
  explicit Config(const gw_config* table) : table_(table) {}

  std::string string(const char* key) const {
    gw_str out{};
    expect(tables.config->get_string(table_, key, &out), key);
    return std::string(view(out));
  }
  std::int64_t integer(const char* key) const {
    std::int64_t out = 0;
    expect(tables.config->get_integer(table_, key, &out), key);
    return out;
  }
  double number(const char* key) const {
    double out = 0;
    expect(tables.config->get_float(table_, key, &out), key);
    return out;
  }
  bool boolean(const char* key) const {
    std::int32_t out = 0;
    expect(tables.config->get_boolean(table_, key, &out), key);
    return out != 0;
  }
  std::vector<std::string> strings(const char* key) const {
    std::vector<std::string> all;
    gw_str out{};
    while (tables.config->string_at(table_, key, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.emplace_back(view(out));
    return all;
  }
  std::vector<std::int64_t> integers(const char* key) const {
    std::vector<std::int64_t> all;
    std::int64_t out = 0;
    while (tables.config->integer_at(table_, key, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.push_back(out);
    return all;
  }
  std::vector<Config> tables_of(const char* key) const {
    std::vector<Config> all;
    const gw_config* out = nullptr;
    while (tables.config->table_at(table_, key, static_cast<std::uint32_t>(all.size()), &out) ==
           GW_OK)
      all.emplace_back(out);
    return all;
  }
  std::optional<Config> table(const char* key) const {
    const gw_config* out = nullptr;
    if (tables.config->get_table(table_, key, &out) != GW_OK) return std::nullopt;
    return Config(out);
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    gw_str out{};
    while (tables.config->key_at(table_, static_cast<std::uint32_t>(all.size()), &out) == GW_OK)
      all.emplace_back(view(out));
    return all;
  }
  // Complains about a key; `create` must then fail with ConfigError().
  void complain(const char* key, std::string_view message) const {
    tables.config->complain(table_, key, str(message));
  }

 private:
  static void expect(gw_status status, const char* key) {
    if (status != GW_OK) throw std::logic_error(std::string("the schema has no such key: ") + key);
  }
  const gw_config* table_;
};

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

// Runs a function after a while, once or again and again. Destroying it cancels. Neither copied nor moved,
// because the host holds its address.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }
  void start(Worker worker, std::uint32_t delay_ms, std::function<void()> fire,
             std::uint32_t repeat_ms = 0) {
    cancel();
    fire_ = std::move(fire);
    repeats_ = repeat_ms != 0;
    ticket_ = tables.timer->start(worker.raw(), delay_ms, repeat_ms, &Timer::run, this);
  }
  void cancel() {
    if (ticket_) tables.timer->cancel(std::exchange(ticket_, nullptr));
  }
  bool active() const { return ticket_ != nullptr; }

 private:
  static void run(void* user) {
    auto* self = static_cast<Timer*>(user);
    if (!self->repeats_) self->ticket_ = nullptr;
    auto fire = self->fire_;  // the function may start or destroy this timer
    try {
      fire();
    } catch (...) {  // nobody waits for an answer
    }
  }
  gw_ticket* ticket_ = nullptr;
  bool repeats_ = false;
  std::function<void()> fire_;
};

// Work on a thread of the host's (gw.offload/1), one at a time. Destroying it cancels: `done` is then not called,
// and what the functions hold is destroyed when `work`, which may be running, has returned. Neither copied nor moved.
class Offload {
 public:
  Offload() = default;
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;
  ~Offload() { cancel(); }
  // `work` on that thread, where of the host only what any thread may call is allowed; then `done` on the worker. An
  // exception of `work` is given to `done`. False: the host has no threads for it, or too much waits already.
  bool start(Worker worker, std::function<void()> work,
             std::function<void(std::exception_ptr)> done) {
    cancel();
    if (tables.offload == nullptr) return false;
    auto job = std::make_unique<Job>(Job{std::move(work), std::move(done), nullptr, this});
    ticket_ = tables.offload->run(
        worker.raw(), &Job::run, &Job::finish, [](void* user) { delete static_cast<Job*>(user); },
        job.get());
    if (ticket_ != nullptr) job.release();
    return ticket_ != nullptr;
  }
  void cancel() {
    if (ticket_) tables.offload->cancel(std::exchange(ticket_, nullptr));
  }
  bool active() const { return ticket_ != nullptr; }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void(std::exception_ptr)> done;
    std::exception_ptr failure;
    Offload* owner;

    static void run(void* user) {
      auto* job = static_cast<Job*>(user);
      try {
        job->work();
      } catch (...) {
        job->failure = std::current_exception();
      }
    }
    static void finish(void* user) {
      std::unique_ptr<Job> job(static_cast<Job*>(user));
      job->owner->ticket_ = nullptr;
      try {
        job->done(job->failure);
      } catch (...) {  // nobody waits for an answer
      }
    }
  };
  gw_ticket* ticket_ = nullptr;
};

// Owns any ticket that lives until it is cancelled (fd watch, turn hook), or that its owner releases in
// the callback (resolution, call-out).
class Ticket {
 public:
  Ticket() = default;
  Ticket(gw_ticket* ticket, void (*cancel)(gw_ticket*)) : ticket_(ticket), cancel_(cancel) {}
  Ticket(Ticket&& other) noexcept { *this = std::move(other); }
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(ticket_, other.ticket_);
    std::swap(cancel_, other.cancel_);
    return *this;
  }
  ~Ticket() { reset(); }
  void reset() {
    if (ticket_) cancel_(std::exchange(ticket_, nullptr));
  }
  // Call first in the last callback of the ticket: it is dead then.
  void release() { ticket_ = nullptr; }
  gw_ticket* get() const { return ticket_; }

 private:
  gw_ticket* ticket_ = nullptr;
  void (*cancel_)(gw_ticket*) = nullptr;
};

using HeaderList = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// One request and its answer. A value; for its worker's thread, until on_complete has returned.
class Exchange {
 public:
  explicit Exchange(gw_exchange* exchange) : exchange_(exchange) {}
  gw_exchange* raw() const { return exchange_; }

  gw_request request() const {
    gw_request out{};
    out.struct_size = sizeof out;
    tables.exchange->request(exchange_, &out);
    return out;
  }
  std::string_view method() const { return view(request().method); }
  std::string_view path() const { return view(request().path); }
  std::string_view query() const { return view(request().query); }

  std::optional<std::string_view> header(std::int32_t message, std::string_view name,
                                         std::uint32_t nth = 0) const {
    gw_str out{};
    if (tables.exchange->header_get(exchange_, message, str(name), nth, &out) != GW_OK) return {};
    return view(out);
  }
  std::optional<gw_header> header_at(std::int32_t message, std::uint32_t i) const {
    gw_header out{};
    if (tables.exchange->header_at(exchange_, message, i, &out) != GW_OK) return {};
    return out;
  }
  gw_status set_header(std::int32_t message, std::string_view name, std::string_view value) const {
    return tables.exchange->header_set(exchange_, message, str(name), str(value));
  }
  gw_status add_header(std::int32_t message, std::string_view name, std::string_view value) const {
    return tables.exchange->header_add(exchange_, message, str(name), str(value));
  }
  gw_status remove_header(std::int32_t message, std::string_view name) const {
    return tables.exchange->header_remove(exchange_, message, str(name));
  }
  gw_status set_target(std::string_view path, std::string_view query) const {
    return tables.exchange->set_target(exchange_, str(path), str(query));
  }

  std::optional<std::string_view> attribute(std::uint32_t id) const {
    gw_str out{};
    if (tables.attribute->get(exchange_, id, &out) != GW_OK) return {};
    return view(out);
  }
  gw_status set_attribute(std::uint32_t id, std::string_view value) const {
    return tables.attribute->set(exchange_, id, str(value));
  }
  std::string_view text(const char* key, std::string_view fallback) const {
    return view(tables.text->get(exchange_, key, str(fallback)));
  }

  // A T in the exchange's memory; its destructor is never run. Throws bad_alloc at the limit.
  template <class T, class... Arguments>
  T* make(Arguments&&... arguments) const {
    static_assert(std::is_trivially_destructible_v<T>);
    void* memory = tables.exchange->alloc(exchange_, sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return new (memory) T{std::forward<Arguments>(arguments)...};
  }
  // A copy that lives as long as the exchange.
  std::string_view keep(std::string_view text) const {
    if (text.empty()) return {};
    void* memory = tables.exchange->alloc(exchange_, text.size());
    if (memory == nullptr) throw std::bad_alloc();
    std::memcpy(memory, text.data(), text.size());
    return {static_cast<const char*>(memory), text.size()};
  }

  gw_waker pause(std::uint32_t timeout_ms, std::int32_t at_deadline = GW_FAIL_CLOSED) const {
    gw_waker waker{};
    if (tables.exchange->pause(exchange_, timeout_ms, at_deadline, &waker) != GW_OK)
      throw std::logic_error("pause was refused");
    return waker;
  }
  // Both return GW_REPLIED, so that a filter can `return x.reply(...)`.
  Verdict reply(std::uint32_t status, HeaderList headers, std::string_view body) const {
    return with_headers(headers, [&](const gw_header* all, std::uint32_t count) {
      return tables.exchange->reply(exchange_, status, all, count, str(body));
    });
  }
  Verdict fail(std::uint32_t status, std::string_view code, std::string_view message = {},
               HeaderList headers = {}) const {
    return with_headers(headers, [&](const gw_header* all, std::uint32_t count) {
      return tables.exchange->fail(exchange_, status, str(code), str(message), all, count);
    });
  }
  // Null when refused.
  gw_stream* begin_stream(std::uint32_t status, HeaderList headers, const gw_stream_events* events,
                          void* owner) const {
    gw_stream* stream = nullptr;
    with_headers(headers, [&](const gw_header* all, std::uint32_t count) {
      return tables.stream->begin(exchange_, status, all, count, events, owner, &stream);
    });
    return stream;
  }

 private:
  template <class Call>
  static Verdict with_headers(HeaderList headers, Call call) {
    constexpr std::size_t kMost = 32;
    if (headers.size() > kMost) throw std::logic_error("more than 32 headers in one answer");
    gw_header all[kMost];
    all[0] = {};  // compilers warn about an array that is handed on without any element set
    std::uint32_t count = 0;
    for (const auto& [name, value] : headers) all[count++] = {str(name), str(value)};
    call(all, count);
    return GW_REPLIED;
  }
  gw_exchange* exchange_;
};

inline void wake(gw_waker waker) {
  tables.exchange->wake(waker);
}

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

namespace detail {

// The tables that the host sees for an instance class, and the one place where exceptions stop.
template <class Instance>
struct Glue {
  using Part = typename Instance::Part;

  struct Holder {  // what the host knows as the instance
    Holder(gw_context* raw, const gw_config* config)
        : context(raw), instance(context, Config(config)) {}
    Context context;
    Instance instance;
  };
  // What the host knows as the part. The Part comes first, so that one address serves both: Context::post
  // gets it back without knowing the holder's type.
  struct PartHolder {
    PartHolder(Holder& holder, gw_worker* worker)
        : part(holder.instance, Worker(worker)), context(holder.context) {}
    Part part;
    Context context;
  };

  static Part& part_of(void* part) { return static_cast<PartHolder*>(part)->part; }

  static void log_exception(Context context, const char* where) noexcept {
    try {
      std::string line = std::string("exception in ") + where;
      try {
        throw;
      } catch (const std::exception& error) {
        line += std::string(": ") + error.what();
      } catch (...) {
      }
      context.log(GW_FAULT, line);
    } catch (...) {  // no memory to say so
    }
  }

  template <class Call>
  static Verdict guarded(void* part, gw_exchange* exchange, const char* where, Call call) noexcept {
    try {
      return call(part_of(part), Exchange(exchange));
    } catch (...) {
      log_exception(static_cast<PartHolder*>(part)->context, where);
    }
    tables.exchange->fail(exchange, 500, str("INTERNAL_SERVER_ERROR"), gw_str{}, nullptr, 0);
    return GW_REPLIED;
  }

  static gw_status create(gw_context* context, const gw_config* config, void** out) noexcept {
    try {
      *out = new Holder(context, config);
      return GW_OK;
    } catch (const ConfigError& error) {
      if (*error.what() != 0)
        tables.config->complain(config, error.key.empty() ? nullptr : error.key.c_str(),
                                str(error.what()));
      return GW_INVALID;
    } catch (const std::exception& error) {
      tables.config->complain(config, nullptr, str(error.what()));
      return GW_INVALID;
    } catch (...) {
      return GW_ERROR;
    }
  }
  static void destroy(void* instance) noexcept { delete static_cast<Holder*>(instance); }
  static gw_status create_part(void* instance, gw_worker* worker, void** out) noexcept {
    auto* holder = static_cast<Holder*>(instance);
    try {
      *out = new PartHolder(*holder, worker);
      return GW_OK;
    } catch (...) {
      log_exception(holder->context, "create_part");
      return GW_ERROR;
    }
  }
  static void destroy_part(void* part) noexcept { delete static_cast<PartHolder*>(part); }

  static void start(void* instance, void* home) noexcept {
    auto* holder = static_cast<Holder*>(instance);
    if constexpr (requires(Instance & i, Part & p) { i.start(p); }) {
      try {
        holder->instance.start(part_of(home));
      } catch (...) {
        log_exception(holder->context, "start");
        holder->context.started(GW_ERROR, "exception in start");
      }
    }
  }
  static void stop(void* instance, void* home) noexcept {
    auto* holder = static_cast<Holder*>(instance);
    if constexpr (requires(Instance & i, Part & p) { i.stop(p); }) {
      try {
        holder->instance.stop(part_of(home));
      } catch (...) {
        log_exception(holder->context, "stop");
        holder->context.stopped();
      }
    }
  }

  static gw_verdict on_request_head(void* part, gw_exchange* x, void** slot) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s) { p.on_request_head(e, s); }) {
      return guarded(part, x, "on_request_head",
                     [&](Part& p, Exchange e) { return p.on_request_head(e, *slot); });
    }
    return GW_CONTINUE;
  }
  static gw_verdict on_request_body(void* part, gw_exchange* x, void** slot, gw_str data,
                                    std::int32_t last, std::uint64_t* consumed) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s, std::uint64_t& n) {
                    p.on_request_body(e, s, std::string_view(), true, n);
                  }) {
      return guarded(part, x, "on_request_body", [&](Part& p, Exchange e) {
        return p.on_request_body(e, *slot, view(data), last != 0, *consumed);
      });
    }
    return GW_CONTINUE;
  }
  static gw_verdict on_response_body(void* part, gw_exchange* x, void** slot, gw_str data,
                                     std::int32_t last, std::uint64_t* consumed) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s, std::uint64_t& n) {
                    p.on_response_body(e, s, std::string_view(), true, n);
                  }) {
      return guarded(part, x, "on_response_body", [&](Part& p, Exchange e) {
        return p.on_response_body(e, *slot, view(data), last != 0, *consumed);
      });
    }
    return GW_CONTINUE;
  }
  static gw_verdict on_resume(void* part, gw_exchange* x, void** slot) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s) { p.on_resume(e, s); }) {
      return guarded(part, x, "on_resume",
                     [&](Part& p, Exchange e) { return p.on_resume(e, *slot); });
    }
    return GW_CONTINUE;
  }
  static gw_verdict on_response_head(void* part, gw_exchange* x, void** slot) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s) { p.on_response_head(e, s); }) {
      return guarded(part, x, "on_response_head",
                     [&](Part& p, Exchange e) { return p.on_response_head(e, *slot); });
    }
    return GW_CONTINUE;
  }
  static void on_complete(void* part, gw_exchange* x, void** slot,
                          const gw_outcome* outcome) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s) { p.on_complete(e, s, *outcome); }) {
      try {
        part_of(part).on_complete(Exchange(x), *slot, *outcome);
      } catch (...) {
        log_exception(static_cast<PartHolder*>(part)->context, "on_complete");
      }
    }
  }
  static gw_verdict choose(void* part, gw_exchange* x, void** slot, const gw_attempt* previous,
                           gw_endpoint* out) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s) { p.choose(e, s, previous, *out); }) {
      return guarded(part, x, "choose",
                     [&](Part& p, Exchange e) { return p.choose(e, *slot, previous, *out); });
    }
    return GW_CONTINUE;
  }
  static void outcome(void* part, gw_exchange* x, void** slot, const gw_attempt* attempt) noexcept {
    if constexpr (requires(Part & p, Exchange e, void*& s) { p.outcome(e, s, *attempt); }) {
      try {
        part_of(part).outcome(Exchange(x), *slot, *attempt);
      } catch (...) {
        log_exception(static_cast<PartHolder*>(part)->context, "outcome");
      }
    }
  }
  static std::int32_t run(void* instance, const char* name, const gw_terminal* terminal) noexcept {
    if constexpr (requires(Instance & i) { i.run(std::string_view(), Terminal(terminal)); }) {
      try {
        return static_cast<Holder*>(instance)->instance.run(name, Terminal(terminal));
      } catch (const std::exception& error) {
        Terminal(terminal).error(std::string(error.what()) + "\n");
      } catch (...) {
      }
    }
    return 1;
  }

  // Hand-over. What was written down goes to the host in one piece.
  template <class Write>
  static gw_status written(Context context, const char* where, const gw_sink* out,
                           Write write) noexcept {
    try {
      std::string blob;
      const gw_status status = write(blob);
      return status == GW_OK ? out->write(out->user, str(blob)) : status;
    } catch (...) {
      log_exception(context, where);
    }
    return GW_ERROR;
  }
  static gw_status export_stream(void* part, void* owner, const gw_sink* out) noexcept {
    return written(static_cast<PartHolder*>(part)->context, "export_stream", out,
                   [&](std::string& blob) { return part_of(part).export_stream(owner, blob); });
  }
  static gw_status adopt_stream(void* part, gw_stream* stream, std::uint32_t format, gw_str blob,
                                const gw_stream_events** events, void** owner) noexcept {
    try {
      return part_of(part).adopt_stream(stream, format, view(blob), *events, *owner);
    } catch (...) {
      log_exception(static_cast<PartHolder*>(part)->context, "adopt_stream");
    }
    return GW_ERROR;
  }
  static void stream_moved(void* part, void* owner) noexcept { part_of(part).stream_moved(owner); }
  static gw_status export_state(void* instance, void* home, const gw_sink* out) noexcept {
    auto* holder = static_cast<Holder*>(instance);
    return written(holder->context, "export_state", out, [&](std::string& blob) {
      return holder->instance.export_state(part_of(home), blob);
    });
  }
  static gw_status import_state(void* instance, void* home, std::uint32_t format,
                                gw_str blob) noexcept {
    auto* holder = static_cast<Holder*>(instance);
    try {
      return holder->instance.import_state(part_of(home), format, view(blob));
    } catch (...) {
      log_exception(holder->context, "import_state");
    }
    return GW_ERROR;
  }
  static void state_moved(void* instance, void* home) noexcept {
    static_cast<Holder*>(instance)->instance.state_moved(part_of(home));
  }
  static gw_status answer(void* instance, void* home, std::uint32_t format, gw_str question,
                          const gw_sink* out) noexcept {
    auto* holder = static_cast<Holder*>(instance);
    return written(holder->context, "answer", out, [&](std::string& text) {
      return holder->instance.answer(part_of(home), format, view(question), text);
    });
  }
  static const void* handover() noexcept {
    if constexpr (requires { Instance::kHandoverFormat; }) {
      static const gw_handover_api api = [] {
        gw_handover_api table{};
        table.struct_size = sizeof table;
        table.format = Instance::kHandoverFormat;
        if constexpr (requires(Part & p, std::string & s) { p.export_stream(nullptr, s); }) {
          table.export_stream = export_stream;
          table.adopt_stream = adopt_stream;
          table.stream_moved = stream_moved;
        }
        if constexpr (requires(Instance & i, Part & p, std::string & s) { i.export_state(p, s); }) {
          table.export_state = export_state;
          table.import_state = import_state;
          table.state_moved = state_moved;
          table.answer = answer;
        }
        return table;
      }();
      return &api;
    }
    return nullptr;
  }

  static constexpr bool kIsRouter = requires(Part & p, Exchange e, void*& s, gw_endpoint& out) {
    p.choose(e, s, static_cast<const gw_attempt*>(nullptr), out);
  };
  static constexpr bool kIsFilter = requires(Part & p, Exchange e, void*& s) {
    p.on_request_head(e, s);
  };

  static const void* get_interface(const char* id) noexcept {
    constexpr bool has_start = requires(Instance & i, Part & p) {
      i.start(p);
    };
    constexpr bool has_stop = requires(Instance & i, Part & p) {
      i.stop(p);
    };
    constexpr bool has_request_body = requires(Part & p, Exchange e, void*& s, std::uint64_t& n) {
      p.on_request_body(e, s, std::string_view(), true, n);
    };
    constexpr bool has_response_body = requires(Part & p, Exchange e, void*& s, std::uint64_t& n) {
      p.on_response_body(e, s, std::string_view(), true, n);
    };
    constexpr bool has_resume = requires(Part & p, Exchange e, void*& s) {
      p.on_resume(e, s);
    };
    constexpr bool has_response_head = requires(Part & p, Exchange e, void*& s) {
      p.on_response_head(e, s);
    };
    constexpr bool has_complete = requires(Part & p, Exchange e, void*& s, const gw_outcome& o) {
      p.on_complete(e, s, o);
    };
    constexpr bool has_outcome = requires(Part & p, Exchange e, void*& s, const gw_attempt& a) {
      p.outcome(e, s, a);
    };

    static const gw_instance_api instance = {sizeof(gw_instance_api),
                                             create,
                                             destroy,
                                             create_part,
                                             destroy_part,
                                             has_start ? start : nullptr,
                                             has_stop ? stop : nullptr};
    static const gw_filter_api filter = {sizeof(gw_filter_api),
                                         on_request_head,
                                         has_request_body ? on_request_body : nullptr,
                                         has_resume ? on_resume : nullptr,
                                         has_response_head ? on_response_head : nullptr,
                                         has_response_body ? on_response_body : nullptr,
                                         has_complete ? on_complete : nullptr};
    static const gw_router_api router = {
        sizeof(gw_router_api), choose, has_outcome ? outcome : nullptr,
        has_response_head ? on_response_head : nullptr, has_complete ? on_complete : nullptr};
    std::string_view wanted = id;
    if (wanted == GW_INSTANCE_ID) return &instance;
    if (wanted == GW_HANDOVER_ID) return handover();
    if (kIsFilter && wanted == GW_FILTER_ID) return &filter;
    if (kIsRouter && wanted == GW_ROUTER_ID) return &router;
    if constexpr (requires { Instance::commands(); }) {
      static const gw_command_api command = {
          sizeof(gw_command_api), static_cast<std::uint32_t>(Instance::commands().size()),
          Instance::commands().data(), run};
      if (wanted == GW_COMMAND_ID) return &command;
    }
    return nullptr;
  }
  static gw_status init(const gw_host* host) noexcept {
    tables.load(host);
    return GW_OK;
  }
};

}  // namespace detail
}  // namespace gw

// Defines manifest and entry of a plugin. `text` is the manifest (GW_PLUGIN_MANIFEST in plugin.h).
#define GW_PLUGIN(Instance, text)                          \
  GW_PLUGIN_MANIFEST(text);                                \
  extern "C" GW_EXPORT const gw_plugin gw_plugin_entry = { \
      sizeof(gw_plugin),                                   \
      GW_ABI,                                              \
      gw_plugin_manifest,                                  \
      ::gw::detail::Glue<Instance>::init,                  \
      nullptr,                                             \
      ::gw::detail::Glue<Instance>::get_interface}
