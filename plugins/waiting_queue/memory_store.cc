// SPDX-License-Identifier: Apache-2.0
#include "memory_store.h"

#include "queue_part.h"

namespace gw::queue {

MemoryStore::MemoryStore(Context context, Worker worker, Measures& measures,
                         std::size_t max_pending)
    : context_(context), index_(worker.index()), measures_(measures), max_pending_(max_pending) {}

template <class Ask, class Tell>
void MemoryStore::at_home(Ask ask, Tell tell) {
  ++pending_;
  auto asked = [context = context_, index = index_, ask = std::move(ask),
                tell = std::move(tell)](QueuePart& home) {
    auto answer = ask(home.memory(), static_cast<std::uint64_t>(context.wall_ms()));
    home.announce();
    // `tell` speaks to this store, which lives as long as the part that the post finds.
    context.post<QueuePart>(
        index, [answer = std::move(answer), tell = std::move(tell)](QueuePart&) { tell(answer); });
  };
  context_.post<QueuePart>(0, std::move(asked));
}

StoreError MemoryStore::submit(Operation operation, std::string_view user,
                               std::string_view operation_id, Done done, void* user_data) {
  if (pending_ >= max_pending_) {
    measures_.store_error(StoreError::kOverloaded);
    return StoreError::kOverloaded;
  }
  at_home([operation, name = std::string(user), id = std::string(operation_id)](
              MemoryQueue& truth,
              std::uint64_t wall_ms) { return truth.run(operation, name, id, wall_ms); },
          [this, done, user_data](const Answer& answer) {
            --pending_;
            if (answer.error != StoreError::kNone) measures_.store_error(answer.error);
            done(user_data, answer);
          });
  return StoreError::kNone;
}

// A lease costs little here: every look is whole.
StoreError MemoryStore::look(std::span<const std::string_view> users, Looking, Looked looked) {
  if (pending_ >= max_pending_) {
    measures_.store_error(StoreError::kOverloaded);
    return StoreError::kOverloaded;
  }
  at_home(
      [names = std::vector<std::string>(users.begin(), users.end())](MemoryQueue& truth,
                                                                     std::uint64_t wall_ms) {
        std::vector<std::string_view> all(names.begin(), names.end());
        return truth.look(all, wall_ms);
      },
      [this, looked = std::move(looked)](const std::vector<Place>& places) {
        --pending_;
        looked(StoreError::kNone, places);
      });
  return StoreError::kNone;
}

void MemoryStore::away(std::span<const std::string_view> users) {
  at_home(
      [names = std::vector<std::string>(users.begin(), users.end())](MemoryQueue& truth,
                                                                     std::uint64_t wall_ms) {
        std::vector<std::string_view> all(names.begin(), names.end());
        truth.away(all, wall_ms);
        return 0;
      },
      [this](int) { --pending_; });
}

StoreError MemoryStore::tick(Ticked ticked) {
  at_home([](MemoryQueue& truth, std::uint64_t wall_ms) { return truth.tick(wall_ms); },
          [this, ticked = std::move(ticked)](const Census& census) {
            --pending_;
            ticked(StoreError::kNone, census);
          });
  return StoreError::kNone;
}

}  // namespace gw::queue
