// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "net/loop_impl.h"

namespace gw::net {

// Outlives its FdWatch until libuv has let go of the handle.
struct FdWatch::Impl {
  uv_poll_t handle;
  std::uint32_t events = 0;
  void (*ready)(void* user, std::uint32_t events) = nullptr;
  void* user = nullptr;
  bool cancelled = false;

  bool start(std::uint32_t wanted);
  static void polled(uv_poll_t* handle, int status, int events);
};

bool FdWatch::Impl::start(std::uint32_t wanted) {
  const int mask =
      ((wanted & kRead) != 0 ? UV_READABLE : 0) | ((wanted & kWrite) != 0 ? UV_WRITABLE : 0);
  return (mask == 0 ? uv_poll_stop(&handle) : uv_poll_start(&handle, mask, polled)) == 0;
}

void FdWatch::Impl::polled(uv_poll_t* handle, int status, int events) {
  auto* impl = static_cast<Impl*>(handle->data);
  std::uint32_t ready = 0;
  if (status != 0) {
    ready = impl->events;
  } else {
    ready =
        ((events & UV_READABLE) != 0 ? kRead : 0U) | ((events & UV_WRITABLE) != 0 ? kWrite : 0U);
    ready &= impl->events;
  }
  const std::uint32_t before = impl->events;
  static_cast<LoopImpl*>(handle->loop->data)->refresh_clock();
  if (ready != 0) impl->ready(impl->user, ready);
  // libuv stops a watch at an error; ours is level-triggered until its owner cancels it.
  if (status != 0 && !impl->cancelled && impl->events == before) impl->start(before);
}

std::unique_ptr<FdWatch> FdWatch::create(Loop& loop, int fd, std::uint32_t events,
                                         void (*ready)(void* user, std::uint32_t events),
                                         void* user) {
  auto* impl = new Impl;
  if (uv_poll_init(&loop.impl().uv, &impl->handle, fd) != 0) {
    delete impl;
    return nullptr;
  }
  impl->handle.data = impl;
  impl->ready = ready;
  impl->user = user;
  std::unique_ptr<FdWatch> watch(new FdWatch(impl));
  if (!watch->update(events)) return nullptr;
  return watch;
}

FdWatch::~FdWatch() {
  impl_->cancelled = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

bool FdWatch::update(std::uint32_t events) {
  if (events == impl_->events) return true;
  impl_->events = events;
  return impl_->start(events);
}

}  // namespace gw::net
