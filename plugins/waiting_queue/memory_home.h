// SPDX-License-Identifier: Apache-2.0
//
// Where the truth of a memory store lives: with the name of the instance, not with the instance. A
// reload that changes the queue's settings makes a new instance beside the old one, which ends with
// its last stream; both speak to one truth, so that nobody loses a place. Home worker's thread
// only.
//
// A reload that loads another build of this library moves the truth there (handover.cc).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "memory_queue.h"

namespace gw::queue {

class QueuePart;

class MemoryHome {
 public:
  // The one of that name; made when there is none. It lives as long as somebody holds it.
  static std::shared_ptr<MemoryHome> of(const std::string& instance);

  // The newest member's settings are in force. `member` must leave before it dies.
  void join(QueuePart& member, const Rules& rules, std::size_t max_users);
  void leave(QueuePart& member);

  MemoryQueue& queue() { return queue_; }
  // The truth has moved to another build: members ask there from now on.
  void move_out();
  // Tells the streams of all members what the queue did. How many were admitted.
  std::size_t announce();

 private:
  struct Member {
    QueuePart* part;
    Rules rules;
    std::size_t max_users;
  };
  MemoryQueue queue_{Rules{}, 0};
  std::vector<Member> members_;
};

}  // namespace gw::queue
