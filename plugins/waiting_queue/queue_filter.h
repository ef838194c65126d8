// SPDX-License-Identifier: Apache-2.0
//
// What a request meets: the queue's own API, and the gate before the calls that need admission.
//
//   our path      -> 405 | 401 | stream: StreamHub | else one operation of the store, pause, answer
//   gated call    -> 401 | one operation (kGate), pause: admitted passes, waiting 429, neither 403
//   another call  -> passes; with `renew_on = "any"` its user's admission is renewed on the side, as it is by
//                    our own calls but for the one that ends it
//
// A store that does not answer fails closed (503), unless the configuration lets those through for
// a while who were admitted when they were last seen. Worker thread only.
#pragma once

#include <array>
#include <cstdint>
#include <gateway/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "measures.h"
#include "pace.h"
#include "settings.h"
#include "store.h"
#include "stream_hub.h"

namespace gw::queue {

class QueueFilter {
 public:
  // All must outlive the filter but the store, which must go first: its callbacks come here.
  QueueFilter(Context context, Worker worker, const Settings& settings, Store& store,
              StreamHub& hub, const Pace& pace, Measures& measures);

  Verdict on_request_head(Exchange exchange, void*& slot);
  Verdict on_resume(Exchange exchange, void*& slot);
  void on_complete(Exchange exchange, void*& slot, const gw_outcome& outcome);

 private:
  // One operation on its way; outlives its exchange when the client leaves first.
  struct Call {
    QueueFilter* filter = nullptr;
    Operation operation = Operation::kStatus;
    gw_waker waker{};
    std::string user;
    Answer answer;
    bool answered = false;
    bool abandoned = false;
  };
  enum class Action : std::uint8_t { kLineup, kStatus, kStream, kLeaveAdmitted, kLeaveWaiting };
  struct Endpoint {
    std::string_view path, method;
    Action action;
  };
  // When a user (by hash) was last renewed or seen admitted; small, and forgets by overwriting.
  struct Recent {
    std::uint64_t user = 0;
    std::uint64_t at_ms = 0;
  };
  static constexpr std::size_t kRecent = 16384;

  const Endpoint* find(std::string_view path, std::string_view method, bool& path_known) const;
  Verdict serve(Exchange exchange, const Endpoint& endpoint, std::string_view user, void*& slot);
  Verdict open_stream(Exchange exchange, std::string_view user);
  Verdict begin(Exchange exchange, Operation operation, std::string_view user, void*& slot);
  Verdict answer_gate(Exchange exchange, const Call& call);
  Verdict answer_status(Exchange exchange, const Place& place);
  Verdict answer_lineup(Exchange exchange, const Call& call);
  Verdict answer_leave(Exchange exchange, const Call& call);
  Verdict success(Exchange exchange, std::uint32_t status, std::string_view message,
                  std::string_view data = {});
  Verdict unavailable(Exchange exchange);
  Verdict store_failed(Exchange exchange, Operation operation, std::string_view user,
                       StoreError error);
  Verdict unauthenticated(Exchange exchange);
  Verdict method_not_allowed(Exchange exchange, std::string_view path);
  void renew_aside(std::string_view user);
  std::string operation_id(Exchange exchange) const;
  Call* make();
  void release(Call* call) { free_.push_back(call); }
  std::uint64_t now_ms() const { return context_.monotonic_ns() / 1'000'000; }
  void saw(std::string_view user, bool admitted);
  Recent& recent(std::vector<Recent>& table, std::string_view user);
  static void on_answer(void* call, const Answer& answer);

  Context context_;
  const Settings& settings_;
  Store& store_;
  StreamHub& hub_;
  const Pace& pace_;
  Measures& measures_;
  std::uint32_t subject_, request_id_, trace_id_;
  std::array<Endpoint, 5> endpoints_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> free_;
  std::vector<Recent> renewed_, seen_admitted_;
};

}  // namespace gw::queue
