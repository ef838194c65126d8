// SPDX-License-Identifier: Apache-2.0
#include "auth_part.h"

#include <algorithm>
#include <stdexcept>

#include "bearer.h"

namespace gw::auth {
namespace {

constexpr std::array<std::string_view, kResultCount> kResultNames = {
    "accepted", "public", "missing", "malformed", "invalid", "expired", "denied", "unavailable"};

constexpr std::string_view kLoginText = "로그인이 필요합니다.";
constexpr std::string_view kInvalidText = "유효하지 않은 토큰입니다.";
constexpr std::string_view kExpiredText = "만료된 토큰입니다.";
constexpr std::string_view kDeniedText = "접근 권한이 없습니다.";

gw_cell* cell(Worker worker, std::uint32_t type, std::string_view name, std::string_view help) {
  gw_family family{sizeof(gw_family), type, str(name), str(help), nullptr, 0, 0, nullptr};
  return worker.cell(family);
}

gw_cell* result_cell(Worker worker, std::string_view result) {
  gw_str label = str("result");
  gw_family family{sizeof(gw_family),
                   GW_COUNTER,
                   str("gateway_auth_requests_total"),
                   str("Requests seen by the authentication, by how they came out."),
                   &label,
                   1,
                   0,
                   nullptr};
  return worker.cell(family, {result});
}

bool same_char(char a, char b) {
  auto folded = [](char c) {
    if (c == '_') return '-';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  return a == b || folded(a) == folded(b);
}

// Are these the same name to a service that folds case and takes `_` for `-`?
bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_char);
}

std::uint64_t random_seed(const Context& context) {
  std::uint64_t seed = 0;
  context.random(&seed, sizeof seed);
  return seed;
}

Result result_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::kMalformed:
      return Result::kMalformed;
    case Refusal::kExpired:
      return Result::kExpired;
    default:
      return Result::kInvalid;
  }
}

Verification malformed() {
  Verification verification;
  verification.refusal = Refusal::kMalformed;
  verification.description = "Bearer token is malformed";
  return verification;
}

}  // namespace

AuthPart::AuthPart(Shared& shared, Worker worker)
    : shared_(shared),
      worker_(worker),
      verifier_(shared.settings.policy),
      cache_(shared.settings.cache_entries, shared.settings.cache_bytes,
             random_seed(shared.context)),
      hits_(cell(worker, GW_COUNTER, "gateway_auth_token_cache_hits_total",
                 "Tokens found among those verified lately.")),
      misses_(cell(worker, GW_COUNTER, "gateway_auth_token_cache_misses_total",
                   "Tokens that had to be verified.")),
      cached_(cell(worker, GW_GAUGE, "gateway_auth_token_cache_entries",
                   "Verified tokens kept at present.")) {
  for (std::size_t i = 0; i < kResultCount; ++i) results_[i] = result_cell(worker, kResultNames[i]);
  waiting_.reserve(shared.settings.max_waiting);
}

void AuthPart::count(Result result) const {
  tables.metrics->add(results_[static_cast<std::size_t>(result)], 1);
}

void AuthPart::keep_keys(std::vector<std::shared_ptr<const Key>> fixed) {
  keeper_ = std::make_unique<KeyKeeper>(shared_.context, worker_, shared_.settings, shared_.gate,
                                        *this, std::move(fixed));
  keeper_->start();
}

void AuthPart::on_fetch_ended(std::shared_ptr<const KeySet> keys) {
  for (std::uint32_t i = 0; i < shared_.context.worker_count(); ++i)
    shared_.context.post<AuthPart>(i, [keys](AuthPart& part) { part.take_keys(keys); });
  if (started_) return;
  started_ = true;
  // Behind the keys in the queue of this worker, so that the first request finds them.
  shared_.context.post<AuthPart>(0, [](AuthPart& part) { part.shared_.context.started(); });
}

void AuthPart::take_keys(const std::shared_ptr<const KeySet>& keys) {
  if (keys) {
    verifier_.use(keys);
    cache_.keep_only(*keys);
    tables.metrics->set(cached_, static_cast<double>(cache_.size()));
  }
  for (gw_waker waker : waiting_) wake(waker);
  waiting_.clear();
}

AuthPart::Authorization AuthPart::strip_identity(Exchange exchange) const {
  Authorization found;
  std::uint32_t i = 0;
  while (std::optional<gw_header> header = exchange.header_at(GW_REQUEST, i)) {
    std::string_view name = view(header->name);
    bool claims = same_name(name, shared_.settings.user_id_header) ||
                  same_name(name, shared_.settings.user_type_header);
    ++i;
    if (!claims) {
      if (same_name(name, "authorization") && found.count++ == 0) found.first = view(header->value);
      continue;
    }
    // The view goes with the header, so the name is copied; it is as long as a configured one.
    std::array<char, kMaxHeaderNameSize> copy;
    name.copy(copy.data(), copy.size());
    if (exchange.remove_header(GW_REQUEST, {copy.data(), name.size()}) != GW_OK)
      throw std::logic_error("an identity that the client claims cannot be removed");
    i = 0;  // all of that spelling are gone and the others moved up
    found = {};
  }
  return found;
}

Verdict AuthPart::on_request_head(Exchange exchange, void*& slot) {
  return authenticate(exchange, slot);
}

Verdict AuthPart::on_resume(Exchange exchange, void*& slot) {
  return authenticate(exchange, slot);
}

Verdict AuthPart::authenticate(Exchange exchange, void*& slot) {
  const Authorization authorization = strip_identity(exchange);
  if (authorization.count == 0) return authorize(exchange, nullptr);
  Bearer bearer = read_bearer(authorization.first);
  if (authorization.count > 1) bearer.kind = Bearer::Kind::kMalformed;
  if (bearer.kind == Bearer::Kind::kNone) return authorize(exchange, nullptr);
  if (bearer.kind == Bearer::Kind::kMalformed) return refuse(exchange, malformed());
  Verification verification;
  const VerifiedToken* token = verify(bearer.token, verification);
  if (token != nullptr) return authorize(exchange, token);
  if (verification.refusal == Refusal::kUnknownKey && wait_for_keys(exchange, slot))
    return GW_PAUSE;
  return refuse(exchange, verification);
}

const VerifiedToken* AuthPart::verify(std::string_view text, Verification& verification) {
  std::int64_t now_ms = shared_.context.wall_ms();
  if (const VerifiedToken* known = cache_.find(text, now_ms)) {
    tables.metrics->add(hits_, 1);
    return known;
  }
  tables.metrics->add(misses_, 1);
  verification = is_bearer_token(text) ? verifier_.verify(text, now_ms) : malformed();
  if (!verification.token) return nullptr;
  cache_.insert(text, *verification.token);
  tables.metrics->set(cached_, static_cast<double>(cache_.size()));
  return &*verification.token;
}

bool AuthPart::wait_for_keys(Exchange exchange, void*& slot) {
  auto waited = static_cast<Waited>(reinterpret_cast<std::uintptr_t>(slot));
  if (!shared_.settings.has_source() || waited == Waited::kEnough ||
      waiting_.size() >= shared_.settings.max_waiting)
    return false;
  FetchGate::Answer answer = shared_.gate.ask(shared_.context.monotonic_ns());
  if (answer == FetchGate::Answer::kRefuse) return false;
  bool again = answer == FetchGate::Answer::kJoin && waited == Waited::kNo;
  waited = again ? Waited::kForAnOldFetch : Waited::kEnough;
  slot = reinterpret_cast<void*>(static_cast<std::uintptr_t>(waited));
  waiting_.push_back(exchange.pause(shared_.settings.key_wait_ms, GW_FAIL_CLOSED));
  if (answer == FetchGate::Answer::kStart)
    shared_.context.post<AuthPart>(0, [](AuthPart& home) {
      if (home.keeper_) home.keeper_->fetch_wanted();
    });
  return true;
}

Verdict AuthPart::refuse(Exchange exchange, const Verification& verification) {
  if (tables.log->enabled(shared_.context.raw(), GW_DEBUG))
    shared_.context.log(GW_DEBUG, "token refused: " + verification.description);
  bool undecidable = verification.refusal == Refusal::kUnknownKey &&
                     shared_.settings.has_source() && shared_.gate.last_failed() &&
                     !shared_.settings.development_issuer;
  if (undecidable) {
    // Without the issuer's keys nobody can say that the token is bad, and a client that hears 401
    // throws it away.
    count(Result::kUnavailable);
    return exchange.fail(503, "SERVICE_UNAVAILABLE", {}, {{"Retry-After", "5"}});
  }
  count(result_of(verification.refusal));
  std::string challenge = invalid_token_challenge(verification.description);
  bool expired = verification.refusal == Refusal::kExpired;
  return exchange.fail(401, expired ? "EXPIRED_TOKEN" : "INVALID_TOKEN",
                       expired ? kExpiredText : kInvalidText, {{"WWW-Authenticate", challenge}});
}

Verdict AuthPart::authorize(Exchange exchange, const VerifiedToken* token) {
  gw_request request = exchange.request();
  Rules::Decision decision =
      shared_.settings.rules.decide(view(request.method), view(request.path));
  if (token == nullptr) {
    if (decision.access != Access::kPublic) {
      count(Result::kMissing);
      return exchange.fail(401, "USER_ID_REQUIRED", kLoginText,
                           {{"WWW-Authenticate", kPlainChallenge}});
    }
    count(Result::kPublic);
    return GW_CONTINUE;
  }
  bool allowed = decision.access != Access::kDeny &&
                 (!decision.requirement || token->meets(*decision.requirement));
  if (!allowed) {
    count(Result::kDenied);
    return exchange.fail(403, "ACCESS_DENIED", kDeniedText,
                         {{"WWW-Authenticate", kScopeChallenge}});
  }
  const Settings& settings = shared_.settings;
  bool set = exchange.set_attribute(shared_.subject_attribute, token->subject()) == GW_OK &&
             exchange.set_attribute(shared_.type_attribute, token->type()) == GW_OK &&
             exchange.set_header(GW_REQUEST, settings.user_id_header, token->subject()) == GW_OK &&
             exchange.set_header(GW_REQUEST, settings.user_type_header, token->type()) == GW_OK;
  if (!set) {  // the request has as many headers as it may have
    count(Result::kInvalid);
    return exchange.fail(431, "BAD_REQUEST");
  }
  count(Result::kAccepted);
  return GW_CONTINUE;
}

}  // namespace gw::auth
