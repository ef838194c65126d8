// SPDX-License-Identifier: Apache-2.0
//
// What a thread runs of somebody else's code, for whoever has to name it when the thread dies of it:
// two pointers that cost two stores to set, and that a signal handler may read.
#pragma once

namespace gw::base {

struct ThreadNote {
  const char* who = nullptr;    // "queue (waiting_queue 0.1.0)"; null: the gateway's own code
  const char* where = nullptr;  // "on_request_head"
};

inline constinit thread_local ThreadNote thread_note;

// Sets the note and puts the one before back. Both texts must live as long.
class NotedCall {
 public:
  NotedCall(const char* who, const char* where) : before_(thread_note) {
    thread_note = {who, where};
  }
  ~NotedCall() { thread_note = before_; }
  NotedCall(const NotedCall&) = delete;
  NotedCall& operator=(const NotedCall&) = delete;

 private:
  ThreadNote before_;
};

}  // namespace gw::base
