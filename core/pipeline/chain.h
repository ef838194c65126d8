// SPDX-License-Identifier: Apache-2.0
//
// What a generation of the configuration is for one worker: its pipelines, ready to be walked.
// Functions that a plugin lacks are resolved here, at load, so that walking only tests for null.
#pragma once

#include <gateway/abi/filter.h>
#include <gateway/abi/router.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_note.h"
#include "http/message.h"
#include "http/metrics.h"
#include "http/transaction.h"

namespace gw::pipeline {

// A number that its worker alone changes, by plain additions, and that any thread may read.
class Count {
 public:
  std::uint64_t operator++() { return put(*this + 1); }
  std::uint64_t operator--() { return put(*this - 1); }
  operator std::uint64_t() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t put(std::uint64_t value) {
    value_.store(value, std::memory_order_relaxed);
    return value;
  }
  std::atomic<std::uint64_t> value_{0};
};

// What of the traffic still holds one worker part of a plugin instance. Owned by whoever owns the
// part; outlives every chain that names it and every stream that it opened. Its worker's thread.
struct PartUse {
  std::string instance;                  // name in the configuration, for the log
  std::string label;                     // "queue (waiting_queue 0.1.0)", for a crash
  Count exchanges;                       // called for, on_complete not yet made
  Count streams;                         // open streams that this part owns
  Count wakers;                          // its pauses that nobody has ended yet
  Count misuses;                         // times it broke the ABI, counted since the part was made
  base::ThreadTally* threads = nullptr;  // where those that it starts are counted
  // Both counts came to 0. May run inside a call of the part itself: only take note or post.
  void (*on_idle)(void* user) = nullptr;
  void* user = nullptr;

  bool idle() const { return exchanges == 0 && streams == 0; }
};

// A filter at its place in a pipeline. `api` is a copy in which what the plugin lacks is null.
struct FilterStep {
  gw_filter_api api;
  void* part;
  PartUse* use;
};
// on_request_head must exist (GW_CHECK): the loader has looked.
FilterStep make_filter_step(const gw_filter_api* api, void* part, PartUse& use);

struct RouterStep {
  gw_router_api api;
  void* part;
  PartUse* use;
};
// choose must exist (GW_CHECK).
RouterStep make_router_step(const gw_router_api* api, void* part, PartUse& use);

// Which requests a pipeline is for. Immutable and cheap to copy: the workers share what is
// compiled.
class ChainMatch {
 public:
  // An empty list allows everything. Paths are patterns (gateway/path_pattern.hpp); hosts are names
  // without port in any case, "*.example.com" for all below a name; listeners are names. The error
  // says which text is wrong.
  static base::Result<ChainMatch> compile(const std::vector<std::string>& paths,
                                          const std::vector<std::string>& hosts,
                                          const std::vector<std::string>& listeners);
  // Matches everything.
  ChainMatch() = default;

  bool matches(const http::RequestHead& head, const http::Peer& peer) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

// One pipeline.
struct Chain {
  std::string name;  // for the log
  ChainMatch match;
  std::vector<FilterStep> filters;  // in the order of the request
  std::optional<RouterStep> router;

  // Any filter that wants the body of that direction; set by `finish`.
  bool request_body_filters = false;
  bool response_body_filters = false;
  // Call after the steps are in place.
  void finish();
};

// Texts of answers in the languages of the catalogue. Immutable, shared by the workers.
class TextSource {
 public:
  virtual ~TextSource() = default;
  // The text of `key` for a client that sent this Accept-Language (may be empty). `fallback`: the
  // caller's own words (may be empty), which go before the catalogue's general ones. The view
  // lives as long as the source, or is `fallback`.
  virtual std::string_view text(std::string_view key, std::string_view accept_language,
                                std::string_view fallback) const = 0;
};

// How one worker's exchanges of a generation ended. Written by that worker alone, read by anybody.
struct ExchangeTally {
  http::Counter ended;
  http::Counter failed;  // of these: answered with 5xx, or cut off
};

// One worker's share of a generation. Belongs to its worker's dispatcher; exchanges that began in
// it keep it alive.
struct WorkerGeneration {
  std::uint64_t number = 0;
  std::vector<Chain> chains;  // the first that matches serves
  std::shared_ptr<const TextSource> texts;
  // Called once on the worker, at the end of a turn, after another generation took over and the
  // last exchange of this one is gone; the generation is destroyed already. Streams may still be
  // open: PartUse tells.
  std::function<void()> on_retired;
  std::vector<std::shared_ptr<void>> kept;  // what the chains' steps need
  std::shared_ptr<ExchangeTally> tally;     // null: nobody wants to know

  // Written by the dispatcher.
  std::uint64_t exchanges = 0;

  const Chain* find(const http::RequestHead& head, const http::Peer& peer) const;
};

}  // namespace gw::pipeline
