// SPDX-License-Identifier: Apache-2.0
//
// Bodies on their way through the filters that asked for them, in both directions. What a filter
// has not consumed waits with it; the filter nearest to the body's destination is served first.
#include <algorithm>
#include <cstdint>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {
constexpr std::size_t kWindow = 64 * 1024;
constexpr std::uint64_t kDefaultBodyLimit = 10u << 20;
}  // namespace

bool Exchange::State::request_body() {
  if (!request_body_over) {
    if (Stage* stage = next_offer(true)) {
      offer(*stage, true);
    } else if (body_over) {
      request_body_over = true;
    } else {
      feed(true, spec.body);
    }
    return true;
  }
  if (filters == stages.size())
    fail_by_host(404, "ENDPOINT_NOT_FOUND", filters);
  else
    at = attempt_open ? At::kUpstream : At::kChoose;
  return true;
}

bool Exchange::State::response_body() {
  if (Stage* stage = next_offer(false))
    offer(*stage, false);
  else if (body_over)
    at = At::kFinish;
  else
    feed(false, answer_pieces);
  return true;
}

bool Exchange::State::wants_body(const Stage& stage, bool request) const {
  if (stage.router) return false;
  const gw_filter_api* api = stage.instance->filter;
  return request ? GW_HAS(api, on_request_body) : GW_HAS(api, on_response_body);
}

Stage* Exchange::State::next_offer(bool request) {
  Stage* found = nullptr;
  for (auto& stage : stages)
    if (stage->dirty && (request || found == nullptr)) found = stage.get();
  return found;
}

void Exchange::State::feed(bool request, const std::vector<std::string>& pieces) {
  if (fed_last) {
    host->breach("the body's end got lost");
    return cut();
  }
  while (piece < pieces.size() && piece_at == pieces[piece].size()) ++piece, piece_at = 0;
  std::string_view data;
  if (piece < pieces.size()) {
    data = std::string_view(pieces[piece]).substr(piece_at, kWindow);
    piece_at += data.size();
  }
  auto rest = pieces.begin() + static_cast<std::ptrdiff_t>(std::min(piece + 1, pieces.size()));
  bool last = (piece >= pieces.size() || piece_at == pieces[piece].size()) &&
              std::all_of(rest, pieces.end(), [](const auto& more) { return more.empty(); });
  fed_last = last;
  if (request) {
    request_bytes += data.size();
    std::uint64_t limit =
        attempt_open && endpoint.body_limit != 0 ? endpoint.body_limit : kDefaultBodyLimit;
    if (request_bytes > limit) return fail_by_host(413, "PAYLOAD_TOO_LARGE", filters);
  }
  pass(nullptr, request, data, last);
}

// On from `from` (null: from outside) to the next filter that asked for the body, or out.
void Exchange::State::pass(Stage* from, bool request, std::string_view data, bool last) {
  auto arrive = [&](Stage& stage) {
    stage.held += data;
    stage.last_arrived = last;
    stage.dirty = true;
  };
  std::size_t most = request ? filters : std::min(answer_limit, filters);
  if (request) {
    for (std::size_t i = from == nullptr ? 0 : index_of(*from) + 1; i < most; ++i)
      if (wants_body(*stages[i], true)) return arrive(*stages[i]);
    upstream_body += data;
  } else {
    for (std::size_t i = from == nullptr ? most : index_of(*from); i-- > 0;)
      if (wants_body(*stages[i], false)) return arrive(*stages[i]);
    sent_body += data;
    response_bytes += data.size();
  }
  if (last) body_over = true;
}

void Exchange::State::offer(Stage& stage, bool request) {
  stage.dirty = false;
  std::uint64_t consumed = 0;
  ViewCopy data(stage.held);
  auto* function =
      request ? stage.instance->filter->on_request_body : stage.instance->filter->on_response_body;
  Phase of = request ? Phase::kRequestBody : Phase::kResponseBody;
  gw_verdict verdict = invoke(stage, of, [&] {
    return function(stage.part->part, reinterpret_cast<gw_exchange*>(stage.handle), &stage.slot,
                    data.str(), stage.last_arrived ? 1 : 0, &consumed);
  });
  if (consumed > stage.held.size()) {
    host->breach(stage.instance->name + ": consumed more of a body than there was");
    if (verdict == GW_PAUSE) forget_pause();
    return misused(stage, of);
  }
  bool stuck = verdict == GW_CONTINUE && consumed < stage.held.size() &&
               (stage.last_arrived || stage.held.size() - consumed >= kWindow);
  if (stuck) {
    host->breach(stage.instance->name + ": left bytes of a body of which no more can come");
    return misused(stage, of);
  }
  stage.consumed_at_pause = consumed;
  resumed(stage, of, verdict);
}

// A filter let `consumed` bytes go on. After a pause it is asked about the rest again.
void Exchange::State::offered(Stage& stage, bool request, std::uint64_t consumed) {
  std::string data = stage.held.substr(0, static_cast<std::size_t>(consumed));
  stage.held.erase(0, data.size());
  bool last = stage.last_arrived && stage.held.empty();
  stage.dirty = stage.last_arrived && !last;
  if (stage.was_paused && !stage.held.empty()) stage.dirty = true;
  stage.was_paused = false;
  stage.consumed_at_pause = 0;
  if (!data.empty() || last) pass(&stage, request, data, last);
}

void Exchange::State::clear_bodies() {
  for (auto& stage : stages) {
    stage->held.clear();
    stage->last_arrived = stage->dirty = stage->was_paused = false;
    stage->consumed_at_pause = 0;
  }
  piece = piece_at = 0;
  fed_last = body_over = false;
}

}  // namespace gw::testing
