// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "net/address.h"
#include "net/loop_impl.h"

namespace gw::net {

// Outlives its Resolution while libuv's thread pool is at work on it.
struct Resolution::Impl {
  uv_getaddrinfo_t request{};
  std::function<void(const std::vector<std::string>&, std::string_view)> done;
  Resolution* owner = nullptr;

  static void resolved(uv_getaddrinfo_t* request, int status, addrinfo* found);
};

void Resolution::Impl::resolved(uv_getaddrinfo_t* request, int status, addrinfo* found) {
  const std::unique_ptr<Impl> impl(static_cast<Impl*>(request->data));
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    char text[Address::kTextBytes];
    const Address address = Address::from_socket(at->ai_addr, at->ai_addrlen);
    std::string host(address.host_text(text));
    if (!host.empty() && std::find(addresses.begin(), addresses.end(), host) == addresses.end()) {
      addresses.push_back(std::move(host));
    }
  }
  uv_freeaddrinfo(found);
  if (impl->owner == nullptr) return;
  impl->owner->impl_ = nullptr;
  if (addresses.empty()) {
    impl->done(addresses, status == 0 ? "no addresses" : uv_strerror(status));
  } else {
    impl->done(addresses, "");
  }
}

std::unique_ptr<Resolution> Resolution::start(
    Loop& loop, std::string_view host,
    std::function<void(const std::vector<std::string>& addresses, std::string_view error)> done) {
  auto* impl = new Impl;
  impl->request.data = impl;
  impl->done = std::move(done);
  std::unique_ptr<Resolution> resolution(new Resolution(impl));
  impl->owner = resolution.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const std::string name(host);
  const int error = uv_getaddrinfo(&loop.impl().uv, &impl->request, Impl::resolved, name.c_str(),
                                   nullptr, &hints);
  if (error != 0) {
    // Told later, as any other failure; a name that libuv refuses at once is rare.
    loop.post([impl, error] { Impl::resolved(&impl->request, error, nullptr); });
  }
  return resolution;
}

Resolution::~Resolution() {
  if (impl_ == nullptr) return;
  impl_->owner = nullptr;
  uv_cancel(reinterpret_cast<uv_req_t*>(&impl_->request));
}

}  // namespace gw::net
