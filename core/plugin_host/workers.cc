// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/workers.h"

#include <atomic>
#include <utility>

namespace gw::plugin_host {

void on_workers(Host& host, std::function<void(std::uint32_t)> work, std::function<void()> done) {
  struct Round {
    std::function<void(std::uint32_t)> work;
    std::function<void()> done;
    std::atomic<std::size_t> left;
  };
  auto round = std::make_shared<Round>();
  round->work = std::move(work);
  round->done = std::move(done);
  round->left = host.seats.size();
  GW_CHECK(!host.seats.empty());
  for (std::uint32_t i = 0; i < host.seats.size(); ++i) {
    GW_CHECK(host.seats[i]->loop->post([round, i, main = host.main] {
      round->work(i);
      if (round->left.fetch_sub(1) == 1) main->post([round] { round->done(); });
    }));
  }
}

std::shared_ptr<Answer> Answer::expect(Host& host, std::uint32_t timeout_ms,
                                       std::function<void(gw_status, std::string)> done) {
  std::shared_ptr<Answer> answer(new Answer);
  answer->host_ = &host;
  answer->done_ = std::move(done);
  answer->self_ = answer;
  answer->timer_.start(
      *host.main, timeout_ms, 0,
      [](void* self) { static_cast<Answer*>(self)->end(GW_TIMEOUT, "no answer in time"); },
      answer.get());
  return answer;
}

void Answer::give(gw_status status, std::string message) {
  host_->main->post([self = shared_from_this(), status, message = std::move(message)]() mutable {
    self->end(status, std::move(message));
  });
}

void Answer::end(gw_status status, std::string message) {
  if (done_ == nullptr) return;  // ended before: a late answer changes nothing
  const std::shared_ptr<Answer> alive = std::exchange(self_, nullptr);
  // The timer may be the caller and is freed later, with the last reference, on this thread.
  timer_.cancel();
  host_->main->post([alive] {});
  std::exchange(done_, nullptr)(status, std::move(message));
}

}  // namespace gw::plugin_host
