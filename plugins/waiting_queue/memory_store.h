// SPDX-License-Identifier: Apache-2.0
//
// The queue's truth in the memory of the home worker, as one worker sees it: every operation is
// posted there, and its answer back. Worker thread only.
#pragma once

#include <cstdint>
#include <gateway/plugin.hpp>

#include "measures.h"
#include "memory_queue.h"
#include "store.h"

namespace gw::queue {

class QueuePart;

class MemoryStore : public Store {
 public:
  MemoryStore(Context context, Worker worker, Measures& measures, std::size_t max_pending);

  bool available() const override { return true; }
  StoreError submit(Operation operation, std::string_view user, std::string_view operation_id,
                    Done done, void* user_data) override;
  StoreError look(std::span<const std::string_view> users, Looking looking, Looked looked) override;
  void away(std::span<const std::string_view> users) override;
  StoreError tick(Ticked ticked) override;

 private:
  // Runs `ask(truth, wall_ms)` on the home worker and `tell(answer)` back here.
  template <class Ask, class Tell>
  void at_home(Ask ask, Tell tell);

  Context context_;
  std::uint32_t index_;
  Measures& measures_;
  std::size_t max_pending_;
  std::size_t pending_ = 0;
};

}  // namespace gw::queue
