// SPDX-License-Identifier: Apache-2.0
//
// StreamMoves: the hand-over of open streams from one instance to the one that took its place, on
// one worker (gateway/abi/handover.h). Some streams each turn of the loop, so that a crowd of them
// does not hold it. A move stays until it is forgotten: streams that the old instance still begins
// for exchanges under way follow as soon as their head has left.
#pragma once

#include <gateway/abi/handover.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pipeline/chain.h"
#include "pipeline/metrics.h"

struct gw_stream;

namespace gw::pipeline {

struct StreamMove {
  struct Side {
    PartUse* use;
    void* part;
    const gw_handover_api* api;
  };
  Side from, to;
  std::uint64_t begun_ns = 0;  // monotonic
};

// Worker's thread. Calls plugins: `step` must not run inside a call into one.
class StreamMoves {
 public:
  static constexpr std::size_t kStreamsEachTurn = 64;
  static constexpr std::size_t kMaxBlobBytes = 4096;

  // Takes the place of a move with the same `from`; streams that refused that one are asked again.
  void add(const StreamMove& move);
  // No move from or to that part any more.
  void forget(const PartUse* use);
  // Is there a move for streams of that part? It is then to be stepped.
  bool wants(const PartUse* use);
  // A stream goes away: the walk under way must not meet it.
  void skip(const gw_stream* stream);
  // Moves some of the dispatcher's streams, of which `first` is one. `on_moved` (may be empty) hears
  // of each how long it waited since its move was added. True: there is more to do.
  bool step(gw_stream* first, PipelineMetrics& metrics, const base::Clock& clock,
            const std::function<void(double seconds)>& on_moved);

 private:
  const StreamMove* find(const PartUse* from) const;

  std::vector<StreamMove> moves_;
  gw_stream* at_ = nullptr;
  bool walking_ = false;
  bool again_ = false;  // from the first stream, after this walk
  std::string blob_;
};

}  // namespace gw::pipeline
