// SPDX-License-Identifier: Apache-2.0
//
// Hand-over between two instances, "gw.successor/1" and "gw.report/1".
#include <algorithm>
#include <cstring>

#include "testing/exchange_state.h"

namespace gw::testing {

namespace {

constexpr std::size_t kMostOfStream = 4096;
constexpr std::size_t kMostOfState = std::size_t{256} << 20;
constexpr std::size_t kMostOfAnswer = std::size_t{1} << 20;

struct Bounded {
  std::size_t most;
  std::string text = {};
  gw_sink sink() {
    return {sizeof(gw_sink), 0, this, [](void* user, gw_str data) -> gw_status {
              auto& self = *static_cast<Bounded*>(user);
              if (data.len > self.most - self.text.size()) return GW_LIMIT;
              self.text += to_view(data);
              return GW_OK;
            }};
  }
};

gw_handover_api table_of(const Instance::State& instance) {
  gw_handover_api all{};
  const auto* given =
      static_cast<const gw_handover_api*>(instance.plugin->get_interface(GW_HANDOVER_ID));
  if (given != nullptr)
    std::memcpy(&all, given, std::min<std::size_t>(given->struct_size, sizeof all));
  return all;
}

gw_status move_state(Instance::State& from, Instance::State& to) {
  const gw_handover_api giver = table_of(from), taker = table_of(to);
  if (!giver.export_state || !giver.state_moved || !taker.import_state) return GW_NOT_FOUND;
  FakeHost::State& host = *from.host;
  Bounded state{kMostOfState};
  const gw_sink sink = state.sink();
  gw_status status;
  {
    InCallback in(host, from.home());
    status = giver.export_state(from.raw, from.home()->part, &sink);
  }
  if (status != GW_OK) return status;
  const ViewCopy blob(state.text);
  {
    InCallback in(host, to.home());
    status = taker.import_state(to.raw, to.home()->part, giver.format, blob.str());
  }
  if (status != GW_OK) return status;
  from.successor = &to;
  InCallback in(host, from.home());
  giver.state_moved(from.raw, from.home()->part);
  return GW_OK;
}

bool move_stream(Stream& stream, Instance::State& from, Instance::State& to) {
  const gw_handover_api giver = table_of(from), taker = table_of(to);
  if (!giver.export_stream || !giver.stream_moved || !taker.adopt_stream) return false;
  FakeHost::State& host = *from.host;
  WorkerPart* old_part = stream.owner_part;
  WorkerPart* new_part = to.parts[old_part->index].get();
  Bounded text{kMostOfStream};
  const gw_sink sink = text.sink();
  {
    InCallback in(host, old_part);
    if (giver.export_stream(old_part->part, stream.owner, &sink) != GW_OK) return false;
  }
  const ViewCopy blob(text.text);
  const gw_stream_events* events = nullptr;
  void* owner = nullptr;
  {
    InCallback in(host, new_part);
    if (taker.adopt_stream(new_part->part, reinterpret_cast<gw_stream*>(&stream), giver.format,
                           blob.str(), &events, &owner) != GW_OK)
      return false;
  }
  if (!stream.alive || !GW_HAS(events, on_closed)) {
    host.breach("adopt_stream: it ended the stream, or gave no events");
    return false;
  }
  {
    InCallback in(host, old_part);
    giver.stream_moved(old_part->part, stream.owner);
  }
  stream.owner_part = new_part;
  stream.events = events;
  stream.owner = owner;
  return true;
}

gw_status ask(gw_context* raw, std::uint32_t format, gw_str question, const gw_sink* out) {
  auto& asker = *reinterpret_cast<Instance::State*>(raw);
  if (!asker.host->on_worker(asker.home(), "successor.ask")) return GW_WRONG_STATE;
  Instance::State* to = asker.successor;
  if (to == nullptr) return GW_GONE;
  const gw_handover_api taker = table_of(*to);
  if (!taker.answer) return GW_UNSUPPORTED;
  const ViewCopy asked(to_view(question));
  Bounded answer{kMostOfAnswer};
  const gw_sink sink = answer.sink();
  {
    InCallback in(*to->host, to->home());
    const gw_status status = taker.answer(to->raw, to->home()->part, format, asked.str(), &sink);
    if (status != GW_OK) return status;
  }
  return out->write(out->user, {answer.text.data(), answer.text.size()});
}

gw_status report_read(gw_context* raw, gw_str name, void (*take)(void*, gw_str), void* user) {
  const auto& reports = reinterpret_cast<Instance::State*>(raw)->host->reports;
  const auto found = reports.find(to_view(name));
  if (found == reports.end()) return GW_NOT_FOUND;
  const ViewCopy copy(found->second);
  take(user, copy.str());
  return GW_OK;
}

void report_visit(gw_context* raw, void (*visit)(void*, gw_str), void* user) {
  for (const auto& [name, json] : reinterpret_cast<Instance::State*>(raw)->host->reports) {
    const ViewCopy copy(name);
    visit(user, copy.str());
  }
}

}  // namespace

HandOver hand_over(Instance& from, Instance& to, bool with_state) {
  HandOver result;
  Instance::State &old = from.state(), &next = to.state();
  if (with_state) result.state = move_state(old, next);
  if (result.state != GW_OK && result.state != GW_NOT_FOUND) return result;
  for (Stream& stream : old.host->streams) {
    if (!stream.alive || stream.owner_part->instance != &old) continue;
    ++(move_stream(stream, old, next) ? result.moved : result.kept);
  }
  return result;
}

void FakeHost::set_report(std::string name, std::string json) {
  state_->reports[std::move(name)] = std::move(json);
}

const gw_successor_api kSuccessorTable = {sizeof(gw_successor_api), ask};
const gw_report_api kReportTable = {sizeof(gw_report_api), report_read, report_visit};

}  // namespace gw::testing
