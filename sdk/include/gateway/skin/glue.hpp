// SPDX-License-Identifier: Apache-2.0
//
// From the host's calls to an instance class, and back. Part of gateway/plugin.hpp.
#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "config.hpp"
#include "context.hpp"
#include "exchange.hpp"

namespace gw {

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
