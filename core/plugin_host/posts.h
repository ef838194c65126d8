// SPDX-License-Identifier: Apache-2.0
//
// Work that one thread of an instance leaves for the part on a worker (gw.post/1). A burst of posts
// to a worker wakes its loop once.
#pragma once

#include <gateway/plugin.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "net/loop.h"

namespace gw::plugin_host {

// Shared by the instance and by what it has under way on the loops.
class PostBox : public std::enable_shared_from_this<PostBox> {
 public:
  // The loops must outlive every call of `post`.
  explicit PostBox(const std::vector<net::Loop*>& loops, const gw_context* context = nullptr);
  ~PostBox();

  // [any thread] As in gw.post/1. Work for a part that is not created yet waits for it.
  gw_status post(std::uint32_t index, void (*run)(void* part, void* user), void (*drop)(void* user),
                 void* user);
  // [worker `index`] The part exists / is about to be destroyed: what waits is dropped.
  void open(std::uint32_t index, void* part);
  void close(std::uint32_t index);

 private:
  struct Work {
    void (*run)(void*, void*);
    void (*drop)(void*);
    void* user;
  };
  struct Slot {
    net::Loop* loop = nullptr;
    std::mutex mutex;
    std::vector<Work> waiting;
    enum { kBefore, kOpen, kOver } state = kBefore;
    bool scheduled = false;
    void* part = nullptr;
  };

  static void drop_all(const std::vector<Work>& all);
  bool schedule(std::uint32_t index);
  void drain(std::uint32_t index);

  const gw_context* context_;  // whose code it is; lives while a slot is open
  std::deque<Slot> slots_;     // never resized: a mutex does not move
};

}  // namespace gw::plugin_host
