// SPDX-License-Identifier: Apache-2.0
#include "stream_hub.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "answers.h"
#include "stream_record.h"

namespace gw::queue {

const gw_stream_events StreamHub::kEvents = {sizeof(gw_stream_events), &StreamHub::on_closed,
                                             &StreamHub::on_writable, &StreamHub::on_drain};

namespace {

// FNV-1a; 0 for no text alone.
std::uint32_t number_of(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return text.empty() ? 0 : hash | 1;
}

// The memory of many streams is cold when their turn comes: it is asked for so many streams ahead.
constexpr std::size_t kAhead = 4, kLine = 64;

void fetch(const void* memory, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kLine)
    __builtin_prefetch(static_cast<const char*>(memory) + i);
}

// Users in one piece of memory.
class Names {
 public:
  explicit Names(std::span<const std::string_view> names) {
    std::size_t bytes = 0;
    for (std::string_view name : names) bytes += name.size();
    text_.reserve(bytes);
    sizes_.reserve(names.size());
    for (std::string_view name : names) {
      text_ += name;
      sizes_.push_back(static_cast<std::uint16_t>(name.size()));
    }
  }
  std::vector<std::string_view> views() const {
    std::vector<std::string_view> names;
    names.reserve(sizes_.size());
    std::string_view rest = text_;
    for (std::uint16_t size : sizes_) {
      names.push_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    return names;
  }

 private:
  std::string text_;
  std::vector<std::uint16_t> sizes_;
};

}  // namespace

StreamHub::StreamHub(Context context, Worker worker, const Settings& settings, Store& store,
                     const Pace& pace, Measures& measures)
    : context_(context),
      worker_(worker),
      settings_(settings),
      store_(store),
      pace_(pace),
      notice_(number_of(settings.notice)),
      measures_(measures),
      slots_(slots_for(settings)),
      tell_every_(
          std::max<std::uint64_t>(1, settings.status_interval_ms / kSlotMs / slots_.size())),
      whole_every_(
          std::max<std::uint64_t>(1, settings.rules.presence_ms / 8 / (slots_.size() * kSlotMs))) {
  context_.random(&random_, sizeof random_);
  down_ = !store.available();
  turn_ = Ticket(
      tables.turn->create(
          worker_.raw(), [](void* self) { static_cast<StreamHub*>(self)->end_of_turn(); }, this),
      tables.turn->cancel);
}

// One turn of the wheel is a status interval, or a part of it: whoever holds a stream is looked up
// before an eighth of the presence is over, so that the lease always lasts as long as it has to.
std::size_t StreamHub::slots_for(const Settings& settings) {
  const std::uint64_t interval = settings.status_interval_ms, most = settings.rules.presence_ms / 8;
  const std::uint64_t looks = most == 0 ? 1 : (interval + most - 1) / most;
  return std::max<std::size_t>(1, interval / looks / kSlotMs);
}

StreamHub::~StreamHub() {
  for (const Slot& slot : slots_) {
    for (Stream* stream : slot) {
      const std::unique_ptr<Stream> owned(stream);
      tables.stream->end(owned->handle);
    }
  }
}

std::uint32_t StreamHub::random() {  // splitmix64: only for spreading
  std::uint64_t z = (random_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<std::uint32_t>(z >> 32);
}

std::uint32_t StreamHub::jittered_retry_ms() {
  return settings_.reconnect_ms / 2 + random() % (settings_.reconnect_ms + 1);
}

StreamHub::Opened StreamHub::room_for(std::string_view user) {
  if (index_.size() >= settings_.max_streams) return Opened::kFull;
  std::size_t count = 0;
  for (Stream* s = index_.find(user); s != nullptr; s = index_.next(*s)) ++count;
  return count >= settings_.max_streams_per_user ? Opened::kTooManyOfUser : Opened::kYes;
}

// It is looked up at the end of this turn.
StreamHub::Stream* StreamHub::add(std::unique_ptr<Stream> stream) {
  stream->hub = this;
  stream->due = true;
  index_.insert(*stream);
  measures_.streams(index_.size());
  to_look_.emplace_back(stream->user());
  tables.turn->arm(turn_.get());
  return stream.release();
}

StreamHub::Opened StreamHub::open(Exchange exchange, std::string_view user) {
  const Opened room = room_for(user);
  if (room != Opened::kYes) return room;
  std::unique_ptr<Stream> stream(new (user) Stream(user));
  stream->handle = exchange.begin_stream(200,
                                         {{"Content-Type", "text/event-stream"},
                                          {"Cache-Control", "no-cache, no-store, no-transform"},
                                          {"X-Accel-Buffering", "no"}},
                                         &kEvents, stream.get());
  if (stream->handle == nullptr) return Opened::kRefused;
  Stream* added = add(std::move(stream));
  place(*added);
  char retry[32];
  int size = std::snprintf(retry, sizeof retry, "retry: %u\n\n", jittered_retry_ms());
  tables.stream->write(added->handle, gw_str{retry, static_cast<std::uint64_t>(size)});
  return Opened::kYes;
}

void StreamHub::start_wheel() {
  if (wheel_timer_.active()) return;
  wheel_started_ns_ = context_.monotonic_ns();
  wheel_ = 0;
  wheel_timer_.start(
      worker_, kSlotMs, [this] { turn_wheel(); }, kSlotMs);
}

// Into the emptiest of a few slots, so that the wheel stays even whenever people come.
void StreamHub::place(Stream& stream) {
  constexpr int kCandidates = 4;
  auto count = static_cast<std::uint32_t>(slots_.size());
  start_wheel();
  std::uint32_t best = random() % count;
  for (int i = 1; i < kCandidates; ++i) {
    std::uint32_t other = random() % count;
    if (slots_[other].size() < slots_[best].size()) best = other;
  }
  stream.heartbeat_at = static_cast<std::uint32_t>(wheel_ + settings_.heartbeat_ms / kSlotMs);
  place(stream, best);
}

void StreamHub::place(Stream& stream, std::uint32_t at) {
  Slot& slot = slots_[at];
  stream.slot = at;
  stream.place = static_cast<std::uint32_t>(slot.size());
  slot.push_back(&stream);
}

void StreamHub::unlink(Stream* stream) {
  Slot& slot = slots_[stream->slot];
  slot.back()->place = stream->place;
  slot[stream->place] = slot.back();
  slot.pop_back();
  index_.remove(*stream);
  delete stream;
  measures_.streams(index_.size());
  if (index_.size() == 0) wheel_timer_.cancel();
}

void StreamHub::close(Stream* stream) {
  tables.stream->end(stream->handle);
  unlink(stream);
}

void StreamHub::turn_wheel() {
  std::uint64_t passed =
      (context_.monotonic_ns() - wheel_started_ns_) / (kSlotMs * std::uint64_t{1'000'000});
  std::uint64_t behind = std::min<std::uint64_t>(passed - wheel_, slots_.size());
  if (passed - wheel_ > behind) wheel_ = passed - behind;  // stood still: nobody is asked for twice
  while (wheel_ < passed && index_.size() > 0) {
    ++wheel_;
    visit(slots_[wheel_ % slots_.size()]);
  }
}

void StreamHub::visit(Slot& slot) {
  const bool tells = tells_at(wheel_);
  std::vector<std::string_view> users;
  users.reserve(slot.size());
  for (std::size_t i = 0; i < slot.size(); ++i) {
    Stream* stream = slot[i];
    if (i + kAhead < slot.size()) fetch(slot[i + kAhead], sizeof(Stream));
    if (wheel_ + slots_.size() > stream->heartbeat_at) {
      stream->heartbeat_at = static_cast<std::uint32_t>(wheel_ + settings_.heartbeat_ms / kSlotMs);
      TextBuffer<48> data;
      data.add("{\"timestamp\":").add(static_cast<std::uint64_t>(context_.wall_ms())).add("}");
      send(stream, "HEARTBEAT", data.view());
    }
    if (tells) {
      stream->due = true;
      stream->quiet = false;
    }
    users.push_back(stream->user());
  }
  look(users, turn_at(wheel_) % whole_every_ == 0 ? Looking::kWhole : Looking::kRanks);
}

void StreamHub::end_of_turn() {
  std::vector<std::string> gone = std::exchange(gone_, {});
  std::vector<std::string> wanted = std::exchange(to_look_, {});
  std::vector<std::string_view> names;
  for (const std::string& user : gone)
    if (index_.find(user) == nullptr) names.push_back(user);
  if (!names.empty()) store_.away(names);
  names.assign(wanted.begin(), wanted.end());
  look(names);
}

void StreamHub::look(std::span<const std::string_view> users, Looking looking) {
  while (!users.empty()) {
    auto batch = users.first(std::min(users.size(), kBatch));
    users = users.subspan(batch.size());
    StoreError error = store_.look(
        batch, looking, [this, names = Names(batch)](StoreError e, std::span<const Place> places) {
          on_looked(names.views(), e, places);
        });
    if (error != StoreError::kNone) on_looked(batch, error, {});
  }
}

void StreamHub::on_looked(std::span<const std::string_view> users, StoreError error,
                          std::span<const Place> places) {
  std::array<Stream**, kBatch> buckets;  // all that follows is cold: the later, the deeper
  for (std::size_t i = 0; i < users.size(); ++i)
    fetch(buckets[i] = &index_.bucket(users[i]), kLine);
  for (std::size_t i = 0; i < users.size(); ++i) {
    if (const std::size_t later = i + 2 * kAhead; later < users.size())
      fetch(*buckets[later], sizeof(Stream) + kLine);
    if (const std::size_t soon = i + kAhead; soon < users.size())
      if (const Stream* stream = Index::first(users[soon], *buckets[soon]))
        fetch(stream->handle, kLine);
    Stream* stream = Index::first(users[i], *buckets[i]);
    if (error == StoreError::kNone && places[i].standing == Standing::kAdmitted) {
      admit_all(stream);
      continue;
    }
    for (; stream != nullptr; stream = index_.next(*stream)) {
      if (!std::exchange(stream->due, false)) continue;
      if (error == StoreError::kNone) {
        show(stream, places[i]);
      } else if (error == StoreError::kUnavailable && down_) {
        hold(stream);
      }
    }
  }
}

void StreamHub::show(Stream* stream, const Place& place) {
  if (std::exchange(stream->held, false)) stream->position = 0;
  const bool absent = place.standing == Standing::kAbsent;
  const bool quiet = std::exchange(stream->quiet, false);
  if (!absent) {
    stream->told_absent = false;
    if (!quiet) tell_place(stream, place);
  } else if (!stream->told_absent) {
    stream->position = 0;
    stream->told_absent =
        send(stream, "ERROR",
             R"({"code":"NOT_IN_QUEUE","message":"대기열에 등록되지 않은 사용자입니다."})");
  }
  tell_notice(stream);
}

void StreamHub::tell_place(Stream* stream, const Place& place) {
  const auto position = static_cast<std::uint32_t>(place.position);
  if (settings_.skip_unchanged && stream->position == position) return;
  const bool told = send(stream, "STATUS_UPDATE", PlaceText(place, pace_).view());
  stream->position = told ? position : 0;
}

void StreamHub::tell_notice(Stream* stream) {
  if (stream->notice == notice_) return;
  if (notice_ == 0 || send(stream, "NOTICE", settings_.notice)) stream->notice = notice_;
}

void StreamHub::hold(Stream* stream) {
  if (!stream->held)
    stream->held = send(stream, "HOLD",
                        R"({"message":"대기열이 잠시 멈췄습니다. 순번은 그대로 유지됩니다."})");
}

void StreamHub::store_down() {
  if (std::exchange(down_, true)) return;
  round_timer_.start(worker_, kPatienceMs, [this] { go_round(); });
}

void StreamHub::store_up() {
  if (std::exchange(down_, false)) go_round();
}

void StreamHub::catch_up() {
  if (!down_) go_round();
}

// Tells everybody in small steps, so that the loop does not stand still for a crowd.
void StreamHub::go_round() {
  round_ = 0;
  round_timer_.start(
      worker_, kRoundMs, [this] { round_step(); }, kRoundMs);
}

void StreamHub::round_step() {
  std::vector<std::string_view> users;
  std::size_t told = 0;
  for (; round_ < slots_.size() && told < kRoundStreams; ++round_) {
    for (Stream* stream : slots_[round_]) {
      ++told;
      if (down_) {
        hold(stream);
      } else {
        stream->due |= stream->held;
        users.push_back(stream->user());
      }
    }
  }
  if (round_ == slots_.size()) round_timer_.cancel();
  look(users);
}

bool StreamHub::send(Stream* stream, std::string_view event, std::string_view data) {
  TextBuffer<2 * Settings::kMostNoticeBytes + 256> text;  // every byte of it may be escaped
  text.add("id: ").add(++stream->last_id).add("\nevent: ").add(event);
  text.add("\ndata: ").add(data).add("\n\n");
  return tables.stream->write(stream->handle, str(text.view())) == GW_OK;
}

// A stream whose client does not read keeps the news until there is room (on_writable looks again).
void StreamHub::admit_all(Stream* first) {
  for (Stream *stream = first, *next; stream != nullptr; stream = next) {
    next = index_.next(*stream);
    if (send(stream, "ALLOWED_IN", R"({"message":"입장 가능합니다."})")) close(stream);
  }
}

void StreamHub::admitted(std::span<const std::string> users) {
  for (const std::string& name : users) admit_all(index_.find(name));
}

void StreamHub::closed_elsewhere(std::span<const std::string> users) {
  std::vector<std::string_view> here;
  for (const std::string& name : users)
    if (index_.find(name) != nullptr) here.push_back(name);
  look(here);
}

void StreamHub::touched(std::string_view user) {
  Stream* stream = index_.find(user);
  if (stream == nullptr) return;
  to_look_.emplace_back(user);
  for (; stream != nullptr; stream = index_.next(*stream)) stream->due = true;
  tables.turn->arm(turn_.get());
}

void StreamHub::on_closed(void* owner, std::int32_t reason) {
  auto* stream = static_cast<Stream*>(owner);
  StreamHub* hub = stream->hub;
  const bool last =
      hub->index_.find(stream->user()) == stream && hub->index_.next(*stream) == nullptr;
  // When the gateway stops, the client is about to come back to another one: it is not away.
  if (last && reason != GW_STREAM_SERVER_STOP) {
    hub->gone_.emplace_back(stream->user());
    tables.turn->arm(hub->turn_.get());
  }
  hub->unlink(stream);
}

void StreamHub::on_writable(void* owner) {
  auto* stream = static_cast<Stream*>(owner);
  stream->hub->touched(stream->user());
}

void StreamHub::on_drain(void* owner) {
  auto* stream = static_cast<Stream*>(owner);
  char retry[32];
  int size = std::snprintf(retry, sizeof retry, "retry: %u\n\n", stream->hub->jittered_retry_ms());
  tables.stream->write(stream->handle, gw_str{retry, static_cast<std::uint64_t>(size)});
  stream->hub->close(stream);
}

}  // namespace gw::queue
