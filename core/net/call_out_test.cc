// SPDX-License-Identifier: Apache-2.0
#include "net/call_out.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>

namespace gw::net {
namespace {

// Answers each connection with the next text, after it read a head (and a body of known length).
class Service {
 public:
  explicit Service(std::vector<std::string> answers) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at));
    EXPECT_EQ(0, listen(fd_, 16));
    socklen_t size = sizeof at;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    url = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this, answers = std::move(answers)] {
      for (const std::string& answer : answers) serve(answer);
    });
  }
  ~Service() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  std::string url;
  std::string requests;  // to be read when the calls are over

 private:
  void serve(std::string answer) {
    const int fd = accept(fd_, nullptr, nullptr);
    if (fd < 0) return;
    std::string request;
    char buffer[4096];
    while (true) {
      const std::size_t end = request.find("\r\n\r\n");
      if (end != std::string::npos) {
        const std::size_t at = request.find("Content-Length: ");
        const std::size_t body = at == std::string::npos ? 0 : std::stoul(request.substr(at + 16));
        if (request.size() >= end + 4 + body) break;
      }
      const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
      if (size <= 0) break;
      request.append(buffer, static_cast<std::size_t>(size));
    }
    requests += request;
    const std::size_t at = answer.find("$URL");
    if (at != std::string::npos) answer.replace(at, 4, url);
    (void)!send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (answer.empty()) {
      (void)!recv(fd, buffer, 1, 0);  // silent until the caller gives up
    }
    close(fd);
  }
  int fd_;
  std::thread thread_;
};

class CallOut : public ::testing::Test {
 protected:
  // Makes the call and waits for its answer.
  CallOutAnswer call(const CallOutRequest& request) {
    Loop loop;
    CallOutClient client(loop);
    CallOutAnswer answer;
    std::unique_ptr<CallOutClient::Call> call;
    bool inside = true;
    call = client.start(request, [&](const CallOutAnswer& its) {
      EXPECT_FALSE(inside);
      answer = its;
      call.reset();
      loop.stop();
    });
    inside = false;
    EXPECT_NE(nullptr, call);
    if (call != nullptr) loop.run();
    return answer;
  }
};

TEST_F(CallOut, PostsAndReads) {
  CallOutAnswer answer;
  std::string seen;
  {
    Service service({"HTTP/1.1 201 C\r\nA: b \r\nContent-Length: 5\r\n\r\nhello"});
    CallOutRequest request;
    request.method = "POST";
    request.url = service.url + "/x";
    request.headers = {{"Content-Type", "text/plain"}};
    request.body = "body";
    answer = call(request);
    seen = service.requests;
  }
  EXPECT_EQ(CallOutAnswer::Outcome::kAnswered, answer.outcome) << answer.error;
  EXPECT_EQ(201u, answer.status);
  EXPECT_EQ("hello", answer.body);
  ASSERT_FALSE(answer.headers.empty());
  EXPECT_EQ("A", answer.headers[0].first);
  EXPECT_EQ("b", answer.headers[0].second);
}

TEST_F(CallOut, FollowsRedirectsOfTheSameSchemeOnly) {
  Service service(
      {"HTTP/1.1 302 F\r\nLocation: $URL/y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  CallOutRequest request;
  request.url = service.url;
  EXPECT_EQ("ok", call(request).body);
  for (const char* elsewhere :
       {"https://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/"}) {
    Service other({"HTTP/1.1 302 F\r\nLocation: " + std::string(elsewhere) +
                   "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"});
    request.url = other.url;
    EXPECT_EQ(CallOutAnswer::Outcome::kFailed, call(request).outcome);
  }
}

TEST_F(CallOut, Bounds) {
  {
    Service service({"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'x')});
    CallOutRequest request;
    request.url = service.url;
    request.max_answer_bytes = 99;
    EXPECT_EQ(CallOutAnswer::Outcome::kTooLarge, call(request).outcome);
  }
  {
    Service service({""});
    CallOutRequest request;
    request.url = service.url;
    request.timeout_ms = 50;
    EXPECT_EQ(CallOutAnswer::Outcome::kTimeout, call(request).outcome);
  }
  {
    CallOutRequest request;
    {
      Service gone({});
      request.url = gone.url;
    }
    const CallOutAnswer answer = call(request);
    EXPECT_EQ(CallOutAnswer::Outcome::kFailed, answer.outcome);
    EXPECT_NE("", answer.error);
  }
}

TEST_F(CallOut, RefusesOtherUrls) {
  Loop loop;
  CallOutClient client(loop);
  for (const char* url : {"", "x", "file:///etc/passwd", "ftp://a/", "//a/b", "http://"}) {
    CallOutRequest request;
    request.url = url;
    EXPECT_EQ(nullptr, client.start(request, [](const CallOutAnswer&) { FAIL(); })) << url;
  }
  CallOutRequest request;
  request.url = "http://127.0.0.1:1/";
  request.headers = {{"A", "b\r\nC: d"}};
  EXPECT_EQ(nullptr, client.start(request, [](const CallOutAnswer&) { FAIL(); }));
}

TEST_F(CallOut, DroppingTheCallCancelsIt) {
  Service service({""});
  Loop loop;
  CallOutClient client(loop);
  CallOutRequest request;
  request.url = service.url;
  auto call = client.start(request, [](const CallOutAnswer&) { FAIL(); });
  ASSERT_NE(nullptr, call);
  for (int i = 0; i < 5; ++i) loop.turn(false);
  call.reset();
  auto outlives = client.start(request, [](const CallOutAnswer&) { FAIL(); });
  loop.turn(false);
}

}  // namespace
}  // namespace gw::net
