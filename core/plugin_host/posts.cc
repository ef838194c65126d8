// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/posts.h"

#include <optional>
#include <utility>

#include "plugin_host/context.h"

namespace gw::plugin_host {

PostBox::PostBox(const std::vector<net::Loop*>& loops, const gw_context* context)
    : context_(context), slots_(loops.size()) {
  for (std::size_t i = 0; i < loops.size(); ++i) slots_[i].loop = loops[i];
}

PostBox::~PostBox() {
  for (Slot& slot : slots_) drop_all(slot.waiting);
}

void PostBox::drop_all(const std::vector<Work>& all) {
  for (const Work& work : all)
    if (work.drop != nullptr) work.drop(work.user);
}

gw_status PostBox::post(std::uint32_t index, void (*run)(void*, void*), void (*drop)(void*),
                        void* user) {
  if (index >= slots_.size()) return GW_NOT_FOUND;
  Slot& slot = slots_[index];
  bool wake = false;
  {
    const std::lock_guard lock(slot.mutex);
    if (slot.state != Slot::kOver) {
      slot.waiting.push_back({run, drop, user});
      wake = slot.state == Slot::kOpen && !std::exchange(slot.scheduled, true);
      if (!wake) return GW_OK;
    }
  }
  if (wake && schedule(index)) return GW_OK;
  if (wake) {  // the loop has stopped for good
    close(index);
    return GW_OK;
  }
  if (drop != nullptr) drop(user);
  return GW_OK;
}

bool PostBox::schedule(std::uint32_t index) {
  return slots_[index].loop->post([self = shared_from_this(), index] { self->drain(index); });
}

void PostBox::drain(std::uint32_t index) {
  Slot& slot = slots_[index];
  std::vector<Work> ready;
  void* part;
  {
    const std::lock_guard lock(slot.mutex);
    slot.scheduled = false;
    if (slot.state != Slot::kOpen) return;
    ready.swap(slot.waiting);
    part = slot.part;
  }
  std::optional<BusyInstance> busy;
  if (context_ != nullptr) busy.emplace(*context_->host.seats[index], *context_, "a post");
  for (const Work& work : ready) work.run(part, work.user);
}

void PostBox::open(std::uint32_t index, void* part) {
  Slot& slot = slots_[index];
  bool wake;
  {
    const std::lock_guard lock(slot.mutex);
    slot.state = Slot::kOpen;
    slot.part = part;
    wake = !slot.waiting.empty() && !std::exchange(slot.scheduled, true);
  }
  if (wake) schedule(index);
}

void PostBox::close(std::uint32_t index) {
  Slot& slot = slots_[index];
  std::vector<Work> left;
  {
    const std::lock_guard lock(slot.mutex);
    slot.state = Slot::kOver;
    left.swap(slot.waiting);
  }
  drop_all(left);
}

}  // namespace gw::plugin_host
