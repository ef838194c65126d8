// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stream_moves.h"

#include <algorithm>
#include <utility>

#include "pipeline/stream.h"

namespace gw::pipeline {

void StreamMoves::add(const StreamMove& move) {
  std::erase_if(moves_, [&move](const StreamMove& old) { return old.from.use == move.from.use; });
  moves_.push_back(move);
  again_ = true;
}

void StreamMoves::forget(const PartUse* use) {
  std::erase_if(
      moves_, [use](const StreamMove& move) { return move.from.use == use || move.to.use == use; });
}

const StreamMove* StreamMoves::find(const PartUse* from) const {
  for (const StreamMove& move : moves_)
    if (move.from.use == from) return &move;
  return nullptr;
}

bool StreamMoves::wants(const PartUse* use) {
  if (find(use) == nullptr) return false;
  again_ = true;
  return true;
}

void StreamMoves::skip(const gw_stream* stream) {
  if (at_ == stream) at_ = stream->next();
}

bool StreamMoves::step(gw_stream* first, PipelineMetrics& metrics, const base::Clock& clock,
                       const std::function<void(double seconds)>& on_moved) {
  if (!walking_ && std::exchange(again_, false)) {
    walking_ = true;
    at_ = first;
  }
  if (moves_.empty()) walking_ = false;
  for (std::size_t moved = 0; walking_ && moved < kStreamsEachTurn;) {
    if (at_ == nullptr) {
      walking_ = false;
      break;
    }
    gw_stream* stream = std::exchange(at_, at_->next());
    const StreamMove* move = find(stream->use());
    if (move == nullptr || !stream->may_move_to(move->to.use)) continue;
    ++moved;
    blob_.clear();
    const StreamMove copy = *move;  // a plugin's call may change the list
    if (!stream->move(copy, blob_)) {
      metrics.streams_kept.add();
      continue;
    }
    metrics.streams_moved.add();
    if (on_moved) on_moved(static_cast<double>(clock.monotonic_ns() - copy.begun_ns) / 1e9);
  }
  return walking_ || again_;
}

}  // namespace gw::pipeline
