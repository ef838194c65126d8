// SPDX-License-Identifier: Apache-2.0
//
// What a thread runs of somebody else's code, for whoever has to name it when the thread dies of it:
// pointers that cost a store each to set, and that a signal handler may read.
#pragma once

namespace gw::base {

class ThreadTally;  // base/thread_tally.h

struct ThreadNote {
  const char* who = nullptr;     // "queue (waiting_queue 0.1.0)"; null: the gateway's own code
  const char* where = nullptr;   // "on_request_head"
  ThreadTally* tally = nullptr;  // where threads that this code starts are counted; null: nowhere
};

inline constinit thread_local ThreadNote thread_note;

// Sets the note and puts the one before back. Both texts must live as long.
class NotedCall {
 public:
  NotedCall(const char* who, const char* where, ThreadTally* tally = nullptr)
      : before_(thread_note) {
    thread_note = {who, where, tally};
  }
  ~NotedCall() { thread_note = before_; }
  NotedCall(const NotedCall&) = delete;
  NotedCall& operator=(const NotedCall&) = delete;

 private:
  ThreadNote before_;
};

// While it lives, threads are nobody's: for what the gateway may start on a plugin's behalf.
class OwnThreads {
 public:
  OwnThreads() : before_(thread_note.tally) { thread_note.tally = nullptr; }
  ~OwnThreads() { thread_note.tally = before_; }
  OwnThreads(const OwnThreads&) = delete;
  OwnThreads& operator=(const OwnThreads&) = delete;

 private:
  ThreadTally* before_;
};

}  // namespace gw::base
