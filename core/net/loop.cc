// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <csignal>
#include <utility>

#include "base/check.h"
#include "net/loop_impl.h"
#include "net/stream.h"

namespace gw::net {

namespace {

LoopImpl& impl_of(uv_handle_t* handle) {
  return *static_cast<LoopImpl*>(handle->loop->data);
}
template <class Handle>
uv_handle_t* as_handle(Handle& handle) {
  return reinterpret_cast<uv_handle_t*>(&handle);
}

constexpr std::uint64_t kFreshClockBelowMs = 1000;

}  // namespace

LoopImpl::LoopImpl()
    : wheel(
          uv_hrtime() / 1000000 / TimerWheel::kTickMs,
          [](void* user) { static_cast<LoopImpl*>(user)->arm_timer(); }, this),
      read_buffer(new char[kReadBytes]),
      write_buffer(new char[kWriteBytes]) {
  GW_CHECK(uv_loop_init(&uv) == 0);
  uv.data = this;
  GW_CHECK(uv_async_init(&uv, &wake_up,
                         [](uv_async_t* handle) { impl_of(as_handle(*handle)).run_posts(); }) == 0);
  uv_prepare_init(&uv, &before_poll);
  uv_check_init(&uv, &after_poll);
  uv_idle_init(&uv, &hooks_wait);
  uv_timer_init(&uv, &timer);
  uv_prepare_start(&before_poll,
                   [](uv_prepare_t* handle) { impl_of(as_handle(*handle)).run_hooks(); });
  uv_check_start(&after_poll, [](uv_check_t* handle) { impl_of(as_handle(*handle)).run_hooks(); });
  refresh_clock();
}

LoopImpl::~LoopImpl() {
  Stream::end_of_turn(*this);
  for (uv_handle_t* handle : {as_handle(wake_up), as_handle(before_poll), as_handle(after_poll),
                              as_handle(hooks_wait), as_handle(timer)}) {
    uv_close(handle, nullptr);
  }
  // Runs the close callbacks of whatever was destroyed after the last turn; a handle that is still
  // open here outlives its loop, which is a bug of its owner.
  uv_run(&uv, UV_RUN_DEFAULT);
  GW_CHECK(uv_loop_close(&uv) == 0);
}

void LoopImpl::run_posts() {
  refresh_clock();
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex);
    work.swap(posts);
  }
  for (auto& item : work) {
    item();
    item = nullptr;
  }
  if (stopping.load(std::memory_order_acquire)) uv_stop(&uv);
}

void LoopImpl::run_hooks() {
  pass_end = last_hook;
  while (pass_end != nullptr) {
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): pass_end is in the list
    TurnHook& hook = *first_hook;
    unlink(hook);
    hook.run_(hook.user_);
  }
  Stream::end_of_turn(*this);
  // A hook armed by a hook belongs to the next turn, which must not wait for an event.
  if (first_hook != nullptr) {
    uv_idle_start(&hooks_wait, [](uv_idle_t*) {});
  } else {
    uv_idle_stop(&hooks_wait);
  }
}

void LoopImpl::arm(TurnHook& hook) {
  if (armed(hook)) return;
  hook.previous_ = last_hook;
  (last_hook == nullptr ? first_hook : last_hook->next_) = &hook;
  last_hook = &hook;
}

void LoopImpl::unlink(TurnHook& hook) {
  if (pass_end == &hook) pass_end = hook.previous_;
  (hook.previous_ == nullptr ? first_hook : hook.previous_->next_) = hook.next_;
  (hook.next_ == nullptr ? last_hook : hook.next_->previous_) = hook.previous_;
  hook.next_ = hook.previous_ = nullptr;
}

void LoopImpl::advance_timers() {
  refresh_clock();
  wheel.advance(uv_now(&uv) / TimerWheel::kTickMs);
  arm_timer();
}

void LoopImpl::arm_timer() {
  const std::uint64_t wake = wheel.next_wake();
  if (wake == TimerWheel::kNever) return;  // the uv_timer has fired, or fires once in vain
  const std::uint64_t due_ms = wake * TimerWheel::kTickMs;
  const std::uint64_t now = uv_now(&uv);
  uv_timer_start(
      &timer, [](uv_timer_t* handle) { impl_of(as_handle(*handle)).advance_timers(); },
      due_ms > now ? due_ms - now : 0, 0);
}

Loop::Loop() {
  // A peer that is gone is an error of the write, never a signal.
  std::signal(SIGPIPE, SIG_IGN);
  impl_ = std::make_unique<LoopImpl>();
}

Loop::~Loop() = default;

void Loop::run() {
  impl_->thread = std::this_thread::get_id();
  uv_update_time(&impl_->uv);
  while (!impl_->stopping.load(std::memory_order_acquire)) {
    if (uv_run(&impl_->uv, UV_RUN_DEFAULT) == 0) break;
  }
  std::vector<std::function<void()>> dropped;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
    dropped.swap(impl_->posts);
  }
  dropped.clear();
  impl_->thread = std::thread::id();
}

void Loop::turn(bool wait) {
  impl_->thread = std::this_thread::get_id();
  uv_run(&impl_->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void Loop::stop() {
  impl_->stopping.store(true, std::memory_order_release);
  uv_async_send(&impl_->wake_up);
}

bool Loop::post(std::function<void()> work) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->closed) return false;
  impl_->posts.push_back(std::move(work));
  // Under the lock, so that the loop cannot be destroyed in between.
  if (impl_->posts.size() == 1) uv_async_send(&impl_->wake_up);
  return true;
}

bool Loop::on_loop_thread() const {
  const std::thread::id owner = impl_->thread;
  return owner == std::thread::id() || owner == std::this_thread::get_id();
}

std::uint64_t Loop::now_ms() const {
  return uv_now(&impl_->uv);
}
std::uint64_t Loop::now_ns() const {
  return impl_->now_ns;
}

void Timer::start(Loop& loop, std::uint32_t delay_ms, std::uint32_t repeat_ms, void (*fire)(void*),
                  void* user) {
  fire_ = fire;
  user_ = user;
  repeat_ms_ = repeat_ms;
  LoopImpl& impl = loop.impl();
  constexpr std::uint64_t kTick = TimerWheel::kTickMs;
  const std::uint64_t turn = uv_now(&impl.uv);
  // The turn's cached time may lie some milliseconds back: too coarse only for short delays.
  const std::uint64_t now = delay_ms < kFreshClockBelowMs ? uv_hrtime() / 1000000 + 1 : turn;
  if (!impl.wheel.advancing()) impl.wheel.catch_up(turn / kTick);
  impl.wheel.start(*this, (now + delay_ms + kTick - 1) / kTick);
}

void TurnHook::arm() {
  loop_.impl().arm(*this);
}

void TurnHook::disarm() {
  if (loop_.impl().armed(*this)) loop_.impl().unlink(*this);
}

}  // namespace gw::net
