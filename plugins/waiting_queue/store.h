// SPDX-License-Identifier: Apache-2.0
//
// What the queue's truth can be asked, whoever keeps it: Redis, or the memory of this process. The
// two implementations answer alike; one conformance suite and a differential test run over both.
//
// A Store belongs to one worker and is called on its thread only. It answers by callback, never
// inside the call. A store that goes first drops its callbacks: they are then never made.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace gw::queue {

inline constexpr std::size_t kMaxUserBytes = 256;
inline constexpr std::size_t kMaxOperationBytes = 128;

enum class Standing : std::uint8_t { kAbsent = 0, kWaiting = 1, kAdmitted = 2 };

// Where a user stands. Position counts from 1; 0 when not waiting.
struct Place {
  Standing standing = Standing::kAbsent;
  std::uint64_t position = 0;
  std::uint64_t total = 0;  // all who wait
  bool operator==(const Place&) const = default;
};

enum class StoreError : std::uint8_t {
  kNone = 0,
  kUnavailable,  // not connected, or the connection broke and the time for a second try was over
  kOverloaded,   // as many operations are pending as the configuration allows
  kFailed        // the store answered, but not what it should have
};

enum class Operation : std::uint8_t {
  kLineup,         // outcome: Lineup
  kStatus,         // place; keeps the lease alive
  kGate,           // place; renews the admission of who is admitted
  kLeaveAdmitted,  // outcome: 1 removed, 0 nothing there
  kLeaveWaiting    // as above
};

enum Lineup : std::uint8_t { kAlreadyAdmitted = 1, kAdmittedNow = 2, kQueued = 3 };

struct Answer {
  StoreError error = StoreError::kNone;
  std::uint8_t outcome = 0;
  Place place;
};

// How much of a look is wanted.
enum class Looking : std::uint8_t {
  kWhole,
  // For users with open streams who were looked at whole less than an eighth of the presence ago:
  // the store may leave their leases as they are.
  kRanks
};

// What a scheduler's step did and found.
struct Census {
  std::uint64_t waiting = 0, admitted = 0, expired = 0, dropped = 0, promoted = 0, repaired = 0;
  std::uint64_t capacity = 0;
  std::uint64_t clock_ms = 0;  // the queue clock
};

// The rules that a gateway brings; capacity and duration in force may be another's (rule 4).
struct Rules {
  std::uint64_t capacity = 100;
  std::uint64_t duration_ms = 240'000;
  std::uint64_t max_stay_ms = 0;        // 0: none
  std::uint64_t presence_ms = 300'000;  // 0: no leases
  std::uint64_t grace_ms = 30'000;      // 0: gone when the last stream closes
  bool keep_place = false;  // lining up again keeps the place instead of going to the back
  std::uint64_t version = 0;
};

// What happened to users, wherever it happened. Called on the home worker; views die with the call.
class StoreEvents {
 public:
  virtual ~StoreEvents() = default;
  virtual void on_admitted(std::span<const std::string_view> users) = 0;
  // A stream of theirs has closed on some worker; whoever holds another says so by `look`.
  virtual void on_stream_closed(std::span<const std::string_view> users) = 0;
};

class Store {
 public:
  using Done = void (*)(void* user_data, const Answer& answer);
  using Looked = std::function<void(StoreError error, std::span<const Place> places)>;
  using Ticked = std::function<void(StoreError error, const Census& census)>;

  virtual ~Store() = default;
  // False while operations would be refused as unavailable.
  virtual bool available() const = 0;
  // `operation_id` matters to kLineup and kLeave...: the same id gives the same answer for a
  // minute. Anything but kNone: refused, `done` will not be called. Copies the texts.
  virtual StoreError submit(Operation operation, std::string_view user,
                            std::string_view operation_id, Done done, void* user_data) = 0;
  // kStatus for many users at once; places in the order of the users.
  virtual StoreError look(std::span<const std::string_view> users, Looking looking,
                          Looked looked) = 0;
  // The last streams of these users on this worker have closed; while the store is away it is told
  // later. Best effort: a lease ends it otherwise.
  virtual void away(std::span<const std::string_view> users) = 0;
  // Home worker only: one step of the scheduler, if no other gateway has made one just now (then
  // the census is null and `ticked` gets kNone with clock_ms 0).
  virtual StoreError tick(Ticked ticked) = 0;
};

}  // namespace gw::queue
