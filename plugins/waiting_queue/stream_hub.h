// SPDX-License-Identifier: Apache-2.0
//
// The open streams (server-sent events) of one worker. Nobody has a timer: one wheel turns for all,
// each stream sits in one of its slots, and whoever is in the slot that comes by is looked up in
// one batch. The slots are filled evenly, so that a crowd that came at once is not asked for at
// once.
//
//   opened ----look----> STATUS_UPDATE | ALLOWED_IN, end | ERROR (stays open)
//   every interval: the same; admission told by the store: ALLOWED_IN, end
//   an eighth of the presence is less than the interval: looked up in between, for the lease alone
//   the operator's message, if there is one: NOTICE, once, behind the first of these
//   store away for a moment: HOLD, once, to all within about a second; store back: looked up again
//
// A look also keeps the user's lease, at every third turn or so (Looking); when a user's last stream here closes the store is told
// (`away`), in batches at the end of the loop's turn. A stream costs about 120 bytes here. Worker
// thread only.
#pragma once

#include <cstdint>
#include <gateway/plugin.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blob.h"
#include "measures.h"
#include "pace.h"
#include "settings.h"
#include "store.h"

namespace gw::queue {

class StreamHub {
 public:
  // All must outlive the hub but the store, which must go first: its callbacks come here.
  StreamHub(Context context, Worker worker, const Settings& settings, Store& store,
            const Pace& pace, Measures& measures);
  ~StreamHub();
  StreamHub(const StreamHub&) = delete;
  StreamHub& operator=(const StreamHub&) = delete;

  enum class Opened : std::uint8_t { kYes, kFull, kTooManyOfUser, kRefused };
  // kYes and kRefused: the exchange is answered. Call in a filter's callback.
  Opened open(Exchange exchange, std::string_view user);

  // Hand-over between two hubs: writes a stream down; takes one that another wrote down; forgets
  // one without ending it.
  void export_stream(const void* owner, std::string& blob) const;
  gw_status adopt(gw_stream* handle, BlobReader& blob, const gw_stream_events*& events,
                  void*& owner);
  void forget(void* owner);

  // These users were admitted, somewhere.
  void admitted(std::span<const std::string> users);
  // A stream of theirs closed elsewhere: says to the store that they are still here, if they are.
  void closed_elsewhere(std::span<const std::string> users);
  // The user's standing has just changed through this worker.
  void touched(std::string_view user);
  // The store is away, or back. A store that is back within kPatienceMs was never away.
  void store_down();
  void store_up();
  // News may have been missed: everybody is looked up, and told if admitted.
  void catch_up();

  std::size_t size() const { return index_.size(); }

 private:
  struct Stream;
  // The streams by user, chained through themselves (stream_index.cc): no node, no second copy of a
  // name, for the many.
  class Index {
   public:
    Stream* find(std::string_view user);  // one of the user's; null: none
    Stream* next(const Stream& stream);   // the user's next; null: no more
    void insert(Stream& stream);
    void remove(Stream& stream);
    std::size_t size() const { return size_; }
    // What `find` walks through, for as long as no stream is inserted.
    Stream*& bucket(std::string_view user);
    static Stream* first(std::string_view user, Stream* from);

   private:
    std::vector<Stream*> buckets_ = std::vector<Stream*>(16);  // a power of two
    std::size_t size_ = 0;
  };
  using Slot = std::vector<Stream*>;

  static constexpr std::uint32_t kSlotMs = 100;
  static constexpr std::size_t kBatch = 256;  // users in one look
  static constexpr std::uint32_t kPatienceMs = 200;
  static constexpr std::uint32_t kRoundMs = 10;  // a step of the round that tells everybody
  static constexpr std::size_t kRoundStreams = 512;

  static std::size_t slots_for(const Settings& settings);
  // Which turn of the wheel it is for the slot that comes by then; for each slot it begins at another.
  std::uint64_t turn_at(std::uint64_t wheel) const {
    return wheel / slots_.size() + wheel % slots_.size();
  }
  // Are the streams of that slot told where they stand? Else they are only looked up.
  bool tells_at(std::uint64_t wheel) const { return turn_at(wheel) % tell_every_ == 0; }
  void turn_wheel();
  void visit(Slot& slot);
  Opened room_for(std::string_view user);
  Stream* add(std::unique_ptr<Stream> stream);
  void start_wheel();
  void place(Stream& stream);
  void place(Stream& stream, std::uint32_t slot);
  void unlink(Stream* stream);
  void close(Stream* stream);  // ends and forgets it
  void end_of_turn();
  void look(std::span<const std::string_view> users, Looking looking = Looking::kWhole);
  void on_looked(std::span<const std::string_view> users, StoreError error,
                 std::span<const Place> places);
  void show(Stream* stream, const Place& place);
  void tell_place(Stream* stream, const Place& place);
  void hold(Stream* stream);
  void tell_notice(Stream* stream);
  void go_round();
  void round_step();
  bool send(Stream* stream, std::string_view event, std::string_view data);
  void admit_all(Stream* first);
  std::uint32_t random();
  std::uint32_t jittered_retry_ms();

  static void on_closed(void* owner, std::int32_t reason);
  static void on_writable(void* owner);
  static void on_drain(void* owner);
  static const gw_stream_events kEvents;

  Context context_;
  Worker worker_;
  const Settings& settings_;
  Store& store_;
  const Pace& pace_;
  const std::uint32_t notice_;  // a number for its text; 0: there is none
  Measures& measures_;
  Index index_;
  std::vector<Slot> slots_;
  const std::uint64_t tell_every_;   // turns of the wheel between two statuses of a stream,
  const std::uint64_t whole_every_;  // and between two whole looks at it
  std::uint64_t wheel_ = 0;          // slots passed since the start
  std::uint64_t wheel_started_ns_ = 0;
  Timer wheel_timer_;
  bool down_ = false;
  std::size_t round_ = 0;  // slots visited by the round
  Timer round_timer_;
  Ticket turn_;
  std::vector<std::string> to_look_, gone_;  // at the end of this turn
  std::uint64_t random_ = 0;
};

}  // namespace gw::queue
