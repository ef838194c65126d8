// SPDX-License-Identifier: Apache-2.0
//
// What a part hands over to the one that takes its place (gateway/abi/handover.h): its streams, and
// the truth when that is in memory.
#include "blob.h"
#include "queue_part.h"

namespace gw::queue {

gw_status QueuePart::export_stream(void* owner, std::string& blob) {
  BlobWriter(blob).text(shared_.settings.key_prefix);
  hub_->export_stream(owner, blob);
  return GW_OK;
}

// A stream of another queue is none that this instance could serve.
gw_status QueuePart::adopt_stream(gw_stream* stream, std::uint32_t format, std::string_view blob,
                                  const gw_stream_events*& events, void*& owner) {
  if (format != kBlobFormat) return GW_UNSUPPORTED;
  BlobReader in(blob);
  if (in.text() != shared_.settings.key_prefix) return GW_NOT_FOUND;
  return hub_->adopt(stream, in, events, owner);
}

void QueuePart::stream_moved(void* owner) {
  hub_->forget(owner);
}

gw_status QueuePart::export_state(std::string& blob) {
  if (memory_ == nullptr) return GW_NOT_FOUND;
  memory_->queue().export_state(blob);
  return GW_OK;
}

gw_status QueuePart::import_state(std::uint32_t format, std::string_view blob) {
  if (memory_ == nullptr) return GW_NOT_FOUND;
  if (format != kBlobFormat) return GW_UNSUPPORTED;
  MemoryQueue& queue = memory_->queue();
  queue.be_elsewhere(nullptr);
  if (queue.import_state(blob)) return GW_OK;
  queue.clear();
  return GW_INVALID;
}

void QueuePart::state_moved() {
  memory_->move_out();
}

gw_status QueuePart::answer(std::uint32_t format, std::string_view question, std::string& out) {
  if (memory_ == nullptr || format != kBlobFormat) return GW_UNSUPPORTED;
  const bool understood = memory_->queue().answer_question(question, out);
  announce();
  return understood ? GW_OK : GW_INVALID;
}

void QueuePart::warm_up() {
  constexpr std::uint32_t kAskMs = 20;
  if (started_ || warming_.active()) return;
  auto ask = [this] {
    if (started_) return warming_.cancel();
    for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
      shared_.context.post<QueuePart>(i, [i](QueuePart& part) {
        if (!part.store_->available()) return;
        part.shared_.context.post<QueuePart>(0, [i](QueuePart& home) { home.warmed(i); });
      });
  };
  ask();
  warming_.start(worker_, kAskMs, ask, kAskMs);
}

void QueuePart::warmed(std::uint32_t index) {
  warm_.insert(index);
  if (warm_.size() < shared_.context.worker_count() || heard_ns_ == 0) return;
  warming_.cancel();
  started();
}

bool QueuePart::ask_successor(std::string_view question, std::string& answer) const {
  return shared_.context.ask_successor(kBlobFormat, question, answer) == GW_OK;
}

}  // namespace gw::queue
