// SPDX-License-Identifier: Apache-2.0
#include "base/thread_tally.h"

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <new>
#include <thread>

#include "base/thread_note.h"

namespace gw::base {

bool ThreadTally::wait_for_none(std::uint32_t limit_ms) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  while (running() > 0) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace gw::base

#ifndef GW_SANITIZED

namespace {

using gw::base::ThreadTally;

using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

Create real_create() {
  static const auto real = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real;
}

struct Start {
  std::shared_ptr<ThreadTally> tally;
  void* (*run)(void*);
  void* argument;
};

// The first thread_local object of its thread, so that it goes after all of the plugin's own.
struct Leaving {
  std::shared_ptr<ThreadTally> tally;
  ~Leaving() {
    if (tally != nullptr) tally->remove();
  }
};
thread_local Leaving leaving;

void* run_counted(void* user) {
  const std::unique_ptr<Start> start(static_cast<Start*>(user));
  leaving.tally = start->tally;
  gw::base::thread_note = {start->tally->label().c_str(), "a thread of its own",
                           start->tally.get()};
  return start->run(start->argument);
}

}  // namespace

// In front of the C library's, for the program and everything that it loads.
extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  ThreadTally* tally = gw::base::thread_note.tally;
  if (tally == nullptr) return real_create()(thread, attributes, run, argument);
  std::unique_ptr<Start> start(new (std::nothrow) Start{tally->shared_from_this(), run, argument});
  if (start == nullptr) return EAGAIN;
  tally->add();
  const int failed = real_create()(thread, attributes, &run_counted, start.get());
  failed == 0 ? (void)start.release() : tally->remove();
  return failed;
}

#endif
