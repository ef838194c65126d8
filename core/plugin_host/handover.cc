// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/handover.h"

#include "plugin_host/context.h"
#include "plugin_host/instance.h"

namespace gw::plugin_host {

namespace {

// What one side writes for the other, up to a limit.
struct Bounded {
  std::string text;
  std::size_t most;

  static gw_status write(void* user, gw_str data) {
    auto& self = *static_cast<Bounded*>(user);
    if (data.len > self.most - self.text.size()) return GW_LIMIT;
    self.text.append(data.ptr, static_cast<std::size_t>(data.len));
    return GW_OK;
  }
  gw_sink sink() { return {sizeof(gw_sink), 0, this, &Bounded::write}; }
};

std::string refusal(const Instance& instance, const std::string& who, gw_status status) {
  return "instance " + instance.name() + ": hand-over of its state failed: " + who +
         " with status " + std::to_string(status);
}

gw_status ask(gw_context* context, std::uint32_t format, gw_str question, const gw_sink* out) {
  context->check_home("ask");
  Instance* successor = context->successor;
  if (successor == nullptr) return GW_GONE;
  if (question.len > kMaxAnswerBytes) return GW_LIMIT;
  Bounded answer{{}, kMaxAnswerBytes};
  const gw_sink sink = answer.sink();
  const gw_status status = successor->answer(format, question, sink);
  if (status != GW_OK) return status;
  return out->write(out->user, {answer.text.data(), answer.text.size()});
}

}  // namespace

std::string move_states(const std::vector<StateMove>& moves) {
  std::vector<const StateMove*> moved;
  for (const StateMove& move : moves) {
    Bounded state{{}, kMaxStateBytes};
    const gw_sink sink = state.sink();
    const gw_status exported = move.from->export_state(sink);
    if (exported == GW_NOT_FOUND) continue;
    if (exported != GW_OK) return refusal(*move.from, "the old instance did not give it", exported);
    const gw_status imported =
        move.to->import_state(move.from->handover().format, {state.text.data(), state.text.size()});
    if (imported == GW_NOT_FOUND) continue;
    if (imported != GW_OK) return refusal(*move.to, "the new instance did not take it", imported);
    moved.push_back(&move);
  }
  for (const StateMove* move : moved) {
    move->from->set_successor(*move->to);
    for (Instance* older : move->older) older->set_successor(*move->to);
    move->from->state_moved();
  }
  return "";
}

const gw_successor_api* successor_api() {
  static constexpr gw_successor_api api = {sizeof(gw_successor_api), ask};
  return &api;
}

}  // namespace gw::plugin_host
