// SPDX-License-Identifier: Apache-2.0
//
// The filter on one worker: strips the identity that a client claims, verifies its token, asks the
// rules, and sets the identity that the token proves.
#pragma once

#include <array>
#include <cstdint>
#include <gateway/plugin.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "key_keeper.h"
#include "refresh.h"
#include "settings.h"
#include "token_cache.h"
#include "verifier.h"

namespace gw::auth {

// How a request came out; the label `result` of gateway_auth_requests_total.
enum class Result : std::uint8_t {
  kAccepted,
  kPublic,
  kMissing,
  kMalformed,
  kInvalid,
  kExpired,
  kDenied,
  kUnavailable,
};
inline constexpr std::size_t kResultCount = 8;

// What all workers share, owned by the instance.
struct Shared {
  Context context;
  FetchGate gate;
  Settings settings;
  std::uint32_t subject_attribute;
  std::uint32_t type_attribute;
};

class AuthPart : public KeyListener {
 public:
  AuthPart(Shared& shared, Worker worker);

  Verdict on_request_head(Exchange exchange, void*& slot);
  Verdict on_resume(Exchange exchange, void*& slot);

  // [home] Takes up the keeping of keys; says Context::started when the first fetch has ended.
  void keep_keys(std::vector<std::shared_ptr<const Key>> fixed);
  // [home] KeyListener: hands the outcome to every worker.
  void on_fetch_ended(std::shared_ptr<const KeySet> keys) override;

 private:
  // How often a request has waited for keys already; a token's key may come with the second fetch
  // when the first was under way before.
  enum class Waited : std::uint8_t { kNo, kForAnOldFetch, kEnough };

  struct Authorization {
    std::string_view first;
    std::uint32_t count = 0;
  };
  // In one walk over the headers: what claims an identity goes, what should prove one is found.
  Authorization strip_identity(Exchange exchange) const;
  Verdict authenticate(Exchange exchange, void*& slot);
  Verdict authorize(Exchange exchange, const VerifiedToken* token);
  const VerifiedToken* verify(std::string_view text, Verification& verification);
  bool wait_for_keys(Exchange exchange, void*& slot);
  Verdict refuse(Exchange exchange, const Verification& verification);
  void take_keys(const std::shared_ptr<const KeySet>& keys);
  void count(Result result) const;

  Shared& shared_;
  Worker worker_;
  Verifier verifier_;
  TokenCache cache_;
  std::vector<gw_waker> waiting_;      // for the end of a fetch
  std::unique_ptr<KeyKeeper> keeper_;  // home worker only
  bool started_ = false;
  std::array<gw_cell*, kResultCount> results_{};
  gw_cell* hits_;
  gw_cell* misses_;
  gw_cell* cached_;
};

}  // namespace gw::auth
