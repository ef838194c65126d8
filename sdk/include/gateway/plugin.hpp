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

#include "plugin.h"
#include "skin/config.hpp"
#include "skin/context.hpp"
#include "skin/exchange.hpp"
#include "skin/glue.hpp"
#include "skin/loop.hpp"
#include "skin/tables.hpp"

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
