// SPDX-License-Identifier: Apache-2.0
//
// A redis-server of its own for a test: on a Unix socket in a temporary folder, nothing saved. For
// tests alone; header only, so that it is no part of the plugin.
#pragma once

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace gw::queue {

struct ReplyFree {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyFree>;

class RedisServer {
 public:
  // The program that tests start: GW_TEST_SERVER, else redis-server.
  static std::string usual() {
    const char* given = std::getenv("GW_TEST_SERVER");
    return given ? given : "redis-server";
  }
  static bool installed(const std::string& program = usual()) {
    return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
  }
  // The usual one, and the other that speaks Redis if it is on PATH.
  static std::vector<std::string> kinds() {
    std::vector<std::string> kinds = {usual()};
    if (usual() == "redis-server" && installed("valkey-server")) kinds.push_back("valkey-server");
    return kinds;
  }

  // A port that was free a moment ago: `wanted`, else the system's choice. 0: it is not free.
  static std::uint16_t free_port(std::uint16_t wanted = 0) {
    const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(wanted);
    socklen_t size = sizeof address;
    const bool free = bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0;
    getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size);
    close(probe);
    return free ? ntohs(address.sin_port) : 0;
  }
  // The same, for a node of a cluster, whose bus listens 10000 above.
  static std::uint16_t free_node_port() {
    constexpr std::uint16_t kBus = 10000;
    while (true) {
      const std::uint16_t port = free_port();
      if (port <= 65535 - kBus && free_port(static_cast<std::uint16_t>(port + kBus)) != 0)
        return port;
    }
  }

  // `config`: text of a configuration file, for what a sentinel wants to write to.
  explicit RedisServer(std::vector<std::string> more = {}, std::string program = usual(),
                       std::string config = {})
      : more_(std::move(more)), program_(std::move(program)), config_(std::move(config)) {
    signal(SIGPIPE, SIG_IGN);  // a server that a sentinel makes the master closes our connection
    char name[] = "/tmp/gateway-redis-XXXXXX";
    folder_ = mkdtemp(name);
    start();
  }
  ~RedisServer() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RedisServer(const RedisServer&) = delete;

  const std::string& folder() const { return folder_; }
  std::string socket() const { return folder_ + "/redis.sock"; }

  void start() {
    std::vector<std::string> words = {
        program_,       "--port", "0",     "--unixsocket", socket(),    "--save",        "",
        "--appendonly", "no",     "--dir", folder_,        "--logfile", folder_ + "/log"};
    words.insert(words.end(), more_.begin(), more_.end());
    if (!config_.empty()) {
      std::ofstream(folder_ + "/redis.conf") << config_;
      words.insert(words.begin() + 1, folder_ + "/redis.conf");
    }
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves no server behind
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    for (int i = 0; i < 1000 && !connect(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // Calls `heard` with what is published on `channel`, from within the other functions, until the
  // connection breaks. Replies are RESP3's from now on.
  void listen(const std::string& channel, std::function<void(std::string_view)> heard) {
    heard_ = std::move(heard);
    run({"HELLO", "3"});
    redisSetPushCallback(context_.get(), [](void* self, void* pushed) {
      Reply reply(static_cast<redisReply*>(pushed));
      if (reply->elements == 3 && std::string_view(reply->element[0]->str) == "message")
        static_cast<RedisServer*>(self)->heard_({reply->element[2]->str, reply->element[2]->len});
    });
    context_->privdata = this;
    // Its confirmation is pushed too, and no reply follows it.
    redisAppendCommand(context_.get(), "SUBSCRIBE %s", channel.c_str());
  }
  void stop() {
    context_.reset();
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    unlink(socket().c_str());
  }
  void freeze(bool frozen) { kill(pid_, frozen ? SIGSTOP : SIGCONT); }

  // One command, waiting for its reply; null when the connection is broken.
  Reply run(const std::vector<std::string>& words) {
    std::vector<const char*> arguments;
    std::vector<std::size_t> sizes;
    for (const auto& word : words) arguments.push_back(word.data()), sizes.push_back(word.size());
    return run(static_cast<int>(words.size()), arguments.data(), sizes.data());
  }
  Reply run(int count, const char** words, const std::size_t* sizes) {
    if (!context_ && !connect()) return nullptr;
    Reply reply(static_cast<redisReply*>(redisCommandArgv(context_.get(), count, words, sizes)));
    if (!reply) context_.reset();  // the next command connects anew
    return reply;
  }
  // The reply as a number (also "12"), or -1.
  long long number(const std::vector<std::string>& words) {
    Reply reply = run(words);
    if (!reply) return -1;
    if (reply->type == REDIS_REPLY_INTEGER) return reply->integer;
    return reply->str ? std::strtoll(reply->str, nullptr, 10) : -1;
  }
  std::string text(const std::vector<std::string>& words) {
    Reply reply = run(words);
    return reply && reply->str ? std::string(reply->str, reply->len) : std::string();
  }

 private:
  struct ContextFree {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  bool connect() {
    context_.reset(redisConnectUnix(socket().c_str()));
    if (context_ && context_->err == 0) {
      redisSetTimeout(context_.get(), {30, 0});  // a server that hangs fails the test
      Reply reply(static_cast<redisReply*>(redisCommand(context_.get(), "PING")));
      if (reply && reply->type == REDIS_REPLY_STATUS) return true;
    }
    context_.reset();
    return false;
  }

  std::vector<std::string> more_;
  std::string program_, config_;
  std::string folder_;
  pid_t pid_ = -1;
  std::unique_ptr<redisContext, ContextFree> context_;
  std::function<void(std::string_view)> heard_;
};

}  // namespace gw::queue
