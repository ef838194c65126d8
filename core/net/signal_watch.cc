// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "net/loop_impl.h"

namespace gw::net {

struct SignalWatch::Impl {
  uv_signal_t handle;
  std::function<void()> raised;
};

std::unique_ptr<SignalWatch> SignalWatch::create(Loop& loop, int signal,
                                                 std::function<void()> raised) {
  auto* impl = new Impl;
  uv_signal_init(&loop.impl().uv, &impl->handle);
  impl->handle.data = impl;
  impl->raised = std::move(raised);
  std::unique_ptr<SignalWatch> watch(new SignalWatch(impl));
  const int error = uv_signal_start(
      &impl->handle, [](uv_signal_t* handle, int) { static_cast<Impl*>(handle->data)->raised(); },
      signal);
  if (error != 0) return nullptr;
  return watch;
}

SignalWatch::~SignalWatch() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

}  // namespace gw::net
