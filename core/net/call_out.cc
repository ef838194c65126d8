// SPDX-License-Identifier: Apache-2.0
#include "net/call_out.h"

#include <curl/curl.h>

#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace gw::net {

namespace {

constexpr long kMaxRedirects = 3;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// "http" or "https", or null.
const char* scheme_of(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (url.find('\0') != std::string::npos ||
      curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return nullptr;
  }
  char* scheme = nullptr;
  if (curl_url_get(parsed.get(), CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK) return nullptr;
  const std::string name(scheme);
  curl_free(scheme);
  return name == "http" ? "http" : name == "https" ? "https" : nullptr;
}

}  // namespace

struct Transfer;

struct CallOutClient::Impl {
  explicit Impl(Loop& its_loop) : loop(its_loop) {}
  ~Impl();

  static int socket_changed(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int timer_changed(CURLM*, long timeout_ms, void* self);
  void act(curl_socket_t fd, int events);
  void finish_done();

  struct Socket {
    Impl* client;
    curl_socket_t fd;
    std::unique_ptr<FdWatch> watch;
  };

  Loop& loop;
  CURLM* multi = nullptr;
  Timer timer;
  std::unordered_map<curl_socket_t, std::unique_ptr<Socket>> sockets;
  std::unordered_set<Transfer*> transfers;
  bool* destroyed = nullptr;  // set while calling out to owners
};

struct Transfer final : CallOutClient::Call {
  ~Transfer() override { stop(); }
  void stop();
  bool set_up(const CallOutRequest& request, const char* scheme);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);

  CallOutClient::Impl* client = nullptr;  // null once over
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::string body;
  std::uint64_t max_bytes = 0;
  std::size_t header_bytes = 0;
  bool too_large = false;
  CallOutAnswer answer;
  char error[CURL_ERROR_SIZE] = {};
  std::function<void(const CallOutAnswer&)> done;
};

void Transfer::stop() {
  if (client != nullptr) {
    curl_multi_remove_handle(client->multi, easy);
    client->transfers.erase(this);
    client = nullptr;
  }
  if (easy != nullptr) curl_easy_cleanup(easy);
  easy = nullptr;
  curl_slist_free_all(headers);
  headers = nullptr;
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // of the answer to come: forget those before a redirect
    transfer.answer.headers.clear();
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && static_cast<unsigned char>(value.back()) <= ' ') value.remove_suffix(1);
  transfer.answer.headers.emplace_back(line.substr(0, colon), value);
  return line.size();
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.answer.body.size() + size * count > transfer.max_bytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.answer.body.append(data, size * count);
  return size * count;
}

bool Transfer::set_up(const CallOutRequest& request, const char* scheme) {
  easy = curl_easy_init();
  if (easy == nullptr) return false;
  body = request.body;
  max_bytes = request.max_answer_bytes;
  for (const auto& [name, value] : request.headers) {
    std::string line = name;
    line.append(value.empty() ? ";" : ": ").append(value);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) return false;
    curl_slist* longer = curl_slist_append(headers, line.c_str());
    if (longer == nullptr) return false;
    headers = longer;
  }
  // No waiting for permission to send a body.
  curl_slist* longer = curl_slist_append(headers, "Expect:");
  if (longer == nullptr) return false;
  headers = longer;

  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, scheme);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (!body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
  }
  if (request.method != "GET" && request.method != "HEAD") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  return true;
}

CallOutClient::Impl::~Impl() {
  if (destroyed != nullptr) *destroyed = true;
  while (!transfers.empty()) (*transfers.begin())->stop();
  curl_multi_cleanup(multi);
}

int CallOutClient::Impl::socket_changed(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& client = *static_cast<Impl*>(self);
  if (what == CURL_POLL_REMOVE) {
    client.sockets.erase(fd);
    return 0;
  }
  const std::uint32_t events = ((what & CURL_POLL_IN) != 0 ? FdWatch::kRead : 0U) |
                               ((what & CURL_POLL_OUT) != 0 ? FdWatch::kWrite : 0U);
  auto& socket = client.sockets[fd];
  if (socket != nullptr) {
    socket->watch->update(events);
    return 0;
  }
  socket = std::make_unique<Socket>(Socket{&client, fd, nullptr});
  socket->watch = FdWatch::create(
      client.loop, fd, events,
      [](void* user, std::uint32_t ready) {
        auto& its = *static_cast<Socket*>(user);
        its.client->act(its.fd, ((ready & FdWatch::kRead) != 0 ? CURL_CSELECT_IN : 0) |
                                    ((ready & FdWatch::kWrite) != 0 ? CURL_CSELECT_OUT : 0));
      },
      socket.get());
  if (socket->watch == nullptr) client.sockets.erase(fd);
  return 0;
}

int CallOutClient::Impl::timer_changed(CURLM*, long timeout_ms, void* self) {
  auto& client = *static_cast<Impl*>(self);
  if (timeout_ms < 0) {
    client.timer.cancel();
  } else {
    client.timer.start(
        client.loop, static_cast<std::uint32_t>(timeout_ms), 0,
        [](void* user) { static_cast<Impl*>(user)->act(CURL_SOCKET_TIMEOUT, 0); }, &client);
  }
  return 0;
}

void CallOutClient::Impl::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi, fd, events, &running);
  finish_done();
}

void CallOutClient::Impl::finish_done() {
  bool gone = false;
  destroyed = &gone;
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    CallOutAnswer answer = std::move(transfer->answer);
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<std::uint32_t>(status);
    using Outcome = CallOutAnswer::Outcome;
    answer.outcome = code == CURLE_OK                   ? Outcome::kAnswered
                     : transfer->too_large              ? Outcome::kTooLarge
                     : code == CURLE_OPERATION_TIMEDOUT ? Outcome::kTimeout
                                                        : Outcome::kFailed;
    if (code != CURLE_OK) {
      answer.error = transfer->too_large          ? "the answer is too large"
                     : transfer->error[0] != '\0' ? transfer->error
                                                  : curl_easy_strerror(code);
    }
    const auto done = std::move(transfer->done);
    transfer->stop();
    done(answer);
    if (gone) return;
  }
  destroyed = nullptr;
}

CallOutClient::CallOutClient(Loop& loop) {
  start_curl();
  impl_ = std::make_unique<Impl>(loop);
  impl_->multi = curl_multi_init();
  curl_multi_setopt(impl_->multi, CURLMOPT_SOCKETFUNCTION, Impl::socket_changed);
  curl_multi_setopt(impl_->multi, CURLMOPT_SOCKETDATA, impl_.get());
  curl_multi_setopt(impl_->multi, CURLMOPT_TIMERFUNCTION, Impl::timer_changed);
  curl_multi_setopt(impl_->multi, CURLMOPT_TIMERDATA, impl_.get());
}

CallOutClient::~CallOutClient() = default;

std::unique_ptr<CallOutClient::Call> CallOutClient::start(
    const CallOutRequest& request, std::function<void(const CallOutAnswer&)> done) {
  const char* scheme = scheme_of(request.url);
  if (scheme == nullptr) return nullptr;
  auto transfer = std::make_unique<Transfer>();
  transfer->done = std::move(done);
  if (!transfer->set_up(request, scheme)) return nullptr;
  if (curl_multi_add_handle(impl_->multi, transfer->easy) != CURLM_OK) return nullptr;
  transfer->client = impl_.get();
  impl_->transfers.insert(transfer.get());
  return transfer;
}

}  // namespace gw::net
