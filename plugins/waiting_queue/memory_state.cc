// SPDX-License-Identifier: Apache-2.0
//
// MemoryQueue: its state on the way to the next build of this plugin, and its operations once that
// has it: they are asked there, so that exchanges and streams which are still here see one truth.
#include "blob.h"
#include "memory_queue.h"

namespace gw::queue {

namespace {

enum Question : std::uint8_t { kRun = 1, kLook = 2, kAway = 3 };

void write_place(BlobWriter& out, const Place& place) {
  out.byte(static_cast<std::uint8_t>(place.standing));
  out.number(place.position);
  out.number(place.total);
}

Place read_place(BlobReader& in) {
  Place place;
  place.standing = static_cast<Standing>(in.byte());
  place.position = in.number();
  place.total = in.number();
  return place;
}

void write_users(BlobWriter& out, std::span<const std::string_view> users) {
  out.number(users.size());
  for (std::string_view user : users) out.text(user);
}

std::vector<std::string_view> read_users(BlobReader& in) {
  std::vector<std::string_view> users;
  for (std::uint64_t left = in.count(); left > 0 && in.good(); --left) users.push_back(in.text());
  return users;
}

}  // namespace

void MemoryQueue::clear() {
  line_.clear();
  eligible_.clear();
  leases_.clear();
  renewals_.clear();
  waiting_.clear();
  admitted_.clear();
  outcomes_.clear();
  remembered_.clear();
  admitted_news_.clear();
  closed_news_.clear();
  saved_.reset();
  counter_ = 0;
}

void MemoryQueue::export_state(std::string& blob) const {
  BlobWriter out(blob);
  out.byte(saved_ ? 1 : 0);
  out.number(saved_ ? static_cast<std::uint64_t>(saved_->first) : 0);
  out.number(saved_ ? saved_->second : 0);
  out.number(counter_);
  out.number(waiting_.size());
  for (const auto& [ticket, entry] : line_) {
    out.text(entry->first);
    out.number(ticket);
    out.byte(
        static_cast<std::uint8_t>((entry->second.lease ? 1 : 0) | (entry->second.away ? 2 : 0)));
    out.number(static_cast<std::uint64_t>(entry->second.lease.value_or(0)));
  }
  out.number(admitted_.size());
  for (const auto& [user, admitted] : admitted_) {
    out.text(user);
    out.number(static_cast<std::uint64_t>(admitted.renewed));
    out.number(static_cast<std::uint64_t>(admitted.since));
  }
  out.number(remembered_.size());
  for (const auto& [wall, operation] : remembered_) {
    const auto found = outcomes_.find(operation);
    out.text(operation);
    out.number(wall);
    out.byte(found == outcomes_.end() ? 0 : found->second);
  }
}

bool MemoryQueue::import_state(std::string_view blob) {
  clear();
  BlobReader in(blob);
  const bool saved = in.byte() != 0;
  const auto clock = static_cast<std::int64_t>(in.number());
  const std::uint64_t wall = in.number();
  if (saved) saved_ = {clock, wall};
  counter_ = in.number();
  for (std::uint64_t left = in.count(); left > 0 && in.good(); --left) {
    const std::string user(in.text());
    const std::uint64_t ticket = in.number();
    const std::uint8_t flags = in.byte();
    const auto lease = static_cast<std::int64_t>(in.number());
    auto [entry, fresh] = waiting_.emplace(user, Waiting{ticket, std::nullopt, (flags & 2) != 0});
    if (!fresh || !line_.insert({ticket, &*entry}).second) return false;
    if (!entry->second.away) eligible_.emplace(ticket, &*entry);
    if ((flags & 1) != 0) set_lease(*entry, lease);
  }
  for (std::uint64_t left = in.count(); left > 0 && in.good(); --left) {
    const std::string user(in.text());
    const auto renewed = static_cast<std::int64_t>(in.number());
    const auto since = static_cast<std::int64_t>(in.number());
    auto [entry, fresh] = admitted_.emplace(user, Admitted{renewed, since});
    if (!fresh) return false;
    renewals_.insert({counted(entry->second), entry->first});
  }
  for (std::uint64_t left = in.count(); left > 0 && in.good(); --left) {
    const std::string operation(in.text());
    const std::uint64_t when = in.number();
    outcomes_.emplace(operation, in.byte());
    remembered_.emplace_back(when, operation);
  }
  return in.whole();
}

std::optional<Answer> MemoryQueue::run_elsewhere(Operation operation, std::string_view user,
                                                 std::string_view operation_id,
                                                 std::uint64_t wall_ms) {
  std::string question, text;
  BlobWriter out(question);
  out.byte(kRun);
  out.byte(static_cast<std::uint8_t>(operation));
  out.text(user);
  out.text(operation_id);
  out.number(wall_ms);
  if (!elsewhere_(question, text)) return std::nullopt;
  BlobReader in(text);
  Answer answer;
  answer.error = static_cast<StoreError>(in.byte());
  answer.outcome = in.byte();
  answer.place = read_place(in);
  if (!in.whole()) answer.error = StoreError::kFailed;
  return answer;
}

std::optional<std::vector<Place>> MemoryQueue::look_elsewhere(
    std::span<const std::string_view> users, std::uint64_t wall_ms) {
  std::string question, text;
  BlobWriter out(question);
  out.byte(kLook);
  out.number(wall_ms);
  write_users(out, users);
  if (!elsewhere_(question, text)) return std::nullopt;
  BlobReader in(text);
  std::vector<Place> places;
  for (std::size_t i = 0; i < users.size(); ++i) places.push_back(read_place(in));
  return places;
}

bool MemoryQueue::away_elsewhere(std::span<const std::string_view> users, std::uint64_t wall_ms) {
  std::string question, text;
  BlobWriter out(question);
  out.byte(kAway);
  out.number(wall_ms);
  write_users(out, users);
  return elsewhere_(question, text);
}

bool MemoryQueue::answer_question(std::string_view question, std::string& text) {
  BlobReader in(question);
  BlobWriter out(text);
  const std::uint8_t kind = in.byte();
  if (kind == kRun) {
    const auto operation = static_cast<Operation>(in.byte());
    const std::string_view user = in.text(), id = in.text();
    const std::uint64_t wall_ms = in.number();
    if (!in.whole()) return false;
    const Answer answer = run(operation, user, id, wall_ms);
    out.byte(static_cast<std::uint8_t>(answer.error));
    out.byte(answer.outcome);
    write_place(out, answer.place);
    return true;
  }
  const std::uint64_t wall_ms = in.number();
  const std::vector<std::string_view> users = read_users(in);
  if (!in.whole()) return false;
  if (kind == kLook) {
    for (const Place& place : look(users, wall_ms)) write_place(out, place);
    return true;
  }
  if (kind == kAway) away(users, wall_ms);
  return kind == kAway;
}

}  // namespace gw::queue
