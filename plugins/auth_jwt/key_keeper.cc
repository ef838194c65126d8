// SPDX-License-Identifier: Apache-2.0
#include "key_keeper.h"

#include <algorithm>
#include <gateway/json.hpp>

#include "file.h"

namespace gw::auth {
namespace {

constexpr std::uint64_t kMaxJwksSize = 1 << 20;

std::string without_userinfo(const std::string& url) {
  std::size_t start = url.find("://");
  if (start == std::string::npos) return url;
  start += 3;
  std::size_t at = url.substr(0, url.find_first_of("/?#", start)).rfind('@');
  if (at == std::string::npos || at < start) return url;
  return url.substr(0, start) + url.substr(at + 1);
}

bool same_keys(const KeySet& a, const std::vector<std::shared_ptr<const Key>>& b) {
  return std::equal(a.keys().begin(), a.keys().end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x->fingerprint == y->fingerprint; });
}

}  // namespace

KeyKeeper::KeyKeeper(Context context, Worker home, const Settings& settings, FetchGate& gate,
                     KeyListener& listener, std::vector<std::shared_ptr<const Key>> fixed)
    : context_(context),
      home_(home),
      settings_(settings),
      gate_(gate),
      listener_(listener),
      fixed_(std::move(fixed)),
      current_(std::make_shared<const KeySet>(fixed_)),
      plan_(settings.refresh),
      source_(settings.jwks_file.empty() ? without_userinfo(settings.jwks_uri)
                                         : settings.jwks_file) {}

gw_cell* KeyKeeper::fetches(const char* result) const {
  static const gw_str kLabels[] = {str("result")};
  static const gw_family kFamily = {sizeof(gw_family),
                                    GW_COUNTER,
                                    str("gateway_auth_jwks_fetches_total"),
                                    str("Fetches of the key set, by how they ended."),
                                    kLabels,
                                    1,
                                    0,
                                    nullptr};
  return home_.cell(kFamily, {result});
}

void KeyKeeper::start() {
  if (settings_.has_source()) {
    fetch();
    return;
  }
  report_health();
  listener_.on_fetch_ended(current_);
}

void KeyKeeper::fetch_wanted() {
  if (fetching_) return;
  std::uint32_t wait = gate_.remaining_ms(context_.monotonic_ns());
  if (wait == 0) {
    fetch();
  } else {
    timer_.start(home_, wait, [this] { fetch(); });
  }
}

void KeyKeeper::fetch() {
  timer_.cancel();
  fetching_ = true;
  gate_.begun(context_.monotonic_ns());
  if (!settings_.jwks_file.empty()) {
    FileText file = read_file(settings_.jwks_file, kMaxJwksSize);
    if (file.error.empty()) {
      read(file.text);
    } else {
      failed(file.error);
    }
    return;
  }
  gw_header accept{str("Accept"), str("application/json, application/jwk-set+json")};
  gw_call_request request{};
  request.struct_size = sizeof request;
  request.timeout_ms = settings_.fetch_timeout_ms;
  request.connect_timeout_ms = settings_.fetch_timeout_ms;
  request.method = str("GET");
  request.url = str(settings_.jwks_uri);
  request.headers = &accept;
  request.header_count = 1;
  request.max_answer_bytes = kMaxJwksSize;
  auto done = [](void* user, const gw_call_answer* answer) {
    static_cast<KeyKeeper*>(user)->on_answer(*answer);
  };
  gw_ticket* ticket = tables.call->call(home_.raw(), &request, done, this);
  if (ticket == nullptr) {
    failed("jwks_uri is not a URL that can be fetched");
    return;
  }
  call_ = Ticket(ticket, tables.call->cancel);
}

void KeyKeeper::on_answer(const gw_call_answer& answer) {
  call_.release();
  if (answer.status != GW_OK) {
    failed(answer.error.len == 0 ? std::string("no answer") : std::string(view(answer.error)));
  } else if (answer.http_status != 200) {
    failed("HTTP status " + std::to_string(answer.http_status));
  } else {
    read(view(answer.body));
  }
}

void KeyKeeper::read(std::string_view text) {
  ParsedJwks parsed = parse_jwks(text);
  for (const std::string& why : parsed.skipped) context_.log(GW_DEBUG, "key set: skipped " + why);
  if (!parsed.error.empty()) {
    failed(parsed.error);
  } else if (parsed.keys.empty()) {
    failed("no usable key among " + std::to_string(parsed.skipped.size()));
  } else {
    succeeded(std::move(parsed.keys));
  }
}

void KeyKeeper::succeeded(std::vector<std::shared_ptr<const Key>> keys) {
  keys.insert(keys.begin(), fixed_.begin(), fixed_.end());
  std::shared_ptr<const KeySet> changed;
  if (!same_keys(*current_, keys)) {
    current_ = changed = std::make_shared<const KeySet>(std::move(keys));
    context_.log(GW_INFO,
                 std::to_string(current_->keys().size()) + " keys in force, from " + source_);
  } else if (!error_.empty()) {
    context_.log(GW_INFO, "keys can be fetched again from " + source_);
  }
  error_.clear();
  fetched_ms_ = context_.wall_ms();
  ended(true, std::move(changed), "ok");
}

void KeyKeeper::failed(const std::string& reason) {
  if (error_ != reason)
    context_.log(GW_WARN, "keys could not be fetched from " + source_ + ": " + reason +
                              (current_->empty() ? "; no token can be verified"
                                                 : "; the last ones stay in force"));
  error_ = reason;
  // The first fetch hands out the fixed keys also when it fails.
  ended(false, fetched_ms_ == 0 && plan_.failures() == 0 ? current_ : nullptr, "failed");
}

void KeyKeeper::ended(bool good, std::shared_ptr<const KeySet> changed, const char* result) {
  fetching_ = false;
  tables.metrics->add(fetches(result), 1);
  report_health();
  std::uint32_t random = 0;
  context_.random(&random, sizeof random);
  std::uint32_t wait = good ? plan_.after_success(random) : plan_.after_failure(random);
  timer_.start(home_, wait, [this] { fetch(); });
  gate_.ended(good);
  listener_.on_fetch_ended(std::move(changed));
}

void KeyKeeper::report_health() const {
  nlohmann::json details = {{"keys", current_->keys().size()}};
  if (settings_.development_issuer) details["developmentIssuer"] = true;
  if (settings_.has_source()) details["source"] = source_;
  if (fetched_ms_ != 0) details["lastFetched"] = fetched_ms_;
  if (!error_.empty()) details["error"] = error_;
  context_.health("jwks", current_->empty() ? GW_DOWN : GW_UP, dump_json(details));
}

}  // namespace gw::auth
