// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <string>

namespace gw::net {
namespace {

enum class Ends { kWithFin, kWithFinBehindTheLastBytes, kWithReset };

constexpr auto kUntilLost = std::chrono::seconds(20);

char byte_at(std::size_t position) {
  return static_cast<char>(position * 2654435761U >> 13);
}

// Two connected sockets that do not block: [0] is the stream's.
void connect_pair(bool tcp, int (&pair)[2]) {
  if (!tcp) {
    ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    return;
  }
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(0, bind(listener, plain, size));
  ASSERT_EQ(0, listen(listener, 1));
  ASSERT_EQ(0, getsockname(listener, plain, &size));
  pair[1] = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(0, connect(pair[1], plain, size));
  pair[0] = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  ASSERT_LE(0, pair[0]);
  close(listener);
}

// A stream and its peer, who both send numbered bytes and check what they get.
class Conversation final : StreamEvents {
 public:
  Conversation(std::mt19937& random, bool tcp) : random_(random) {
    connect_pair(tcp, pair_);
    const int much = 1 << 20;  // more than a stream reads at an event
    setsockopt(pair_[1], SOL_SOCKET, SO_SNDBUF, &much, sizeof much);
    stream_.adopt(loop_, pair_[0], *this);
    stream_.start_reading();
  }
  ~Conversation() {
    if (pair_[1] >= 0) close(pair_[1]);
    if (stream_.open()) stream_.close();
    loop_.turn(false);
  }

  void take_steps(int count) {
    for (int i = 0; i < count && !HasFailure(); ++i) {
      // Mostly a peer that says little and is read at once: only so does a stream settle.
      const bool settled = (i / 40) % 2 == 0;
      const auto choice = settled ? 0 : random_() % 9;
      if (choice <= 2) peer_sends(1 + random_() % 100);
      if (choice == 3) peer_sends(random_() % (random_() % 2 == 0 ? 200'000 : 600'000));
      if (choice == 4) stream_.stop_reading();
      if (choice == 5) {
        pause_in_data_ = true;
        peer_sends(150'000);
      }
      if (choice == 6) stream_sends(random_() % 300'000);
      if (choice == 7) peer_reads();
      if (choice == 8) all_arrives();
      if (random_() % 2 == 0) loop_.turn(false);
      if (settled || random_() % 2 == 0) stream_.start_reading();
    }
  }

  void finish(Ends ends) {
    pause_in_data_ = false;
    stream_.start_reading();
    if (ends == Ends::kWithFinBehindTheLastBytes) peer_sends(10);
    if (ends == Ends::kWithReset) {
      all_arrives();
      const linger at_once{1, 0};
      setsockopt(pair_[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      close(pair_[1]);
      pair_[1] = -1;
    } else {
      shutdown(pair_[1], SHUT_WR);
    }
    turn_until([this] { return over_; });
    EXPECT_TRUE(over_) << "the end was not heard";
    if (ends != Ends::kWithReset) all_arrives();
  }

  static bool HasFailure() { return testing::Test::HasFailure(); }

 private:
  // Without a new byte that would wake the stream.
  void all_arrives() {
    turn_until([this] { return received_ == sent_ && heard_ == answered_; });
    EXPECT_EQ(sent_, received_) << "bytes were not told of";
    EXPECT_EQ(answered_, heard_);
  }
  template <class Done>
  void turn_until(Done done) {
    const auto lost = std::chrono::steady_clock::now() + kUntilLost;
    while (!done() && std::chrono::steady_clock::now() < lost) {
      peer_reads();
      loop_.turn(false);
      stream_.start_reading();
    }
  }
  void peer_sends(std::size_t size) {
    std::string data(size, 0);
    for (std::size_t i = 0; i < size; ++i) data[i] = byte_at(sent_ + i);
    const ssize_t sent = send(pair_[1], data.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) sent_ += static_cast<std::size_t>(sent);
  }
  void stream_sends(std::size_t size) {
    std::string data(size, 0);
    for (std::size_t i = 0; i < size; ++i) data[i] = byte_at(answered_ + i);
    stream_.write(data);
    answered_ += size;
  }
  void peer_reads() {
    char buffer[64 * 1024];
    while (pair_[1] >= 0) {
      const ssize_t size = recv(pair_[1], buffer, sizeof buffer, MSG_DONTWAIT);
      if (size <= 0) return;
      for (ssize_t i = 0; i < size; ++i) ASSERT_EQ(byte_at(heard_++), buffer[i]);
    }
  }
  void on_data(char* data, std::size_t size) override {
    ASSERT_TRUE(stream_.reading());
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(byte_at(received_++), data[i]);
    if (pause_in_data_) stream_.stop_reading();
    pause_in_data_ = false;
  }
  void on_end() override { over_ = true; }
  void on_broken() override { over_ = true; }
  void on_drained() override {}
  void on_closed() override {}

  std::mt19937& random_;
  Loop loop_;
  int pair_[2] = {-1, -1};
  Stream stream_;
  bool pause_in_data_ = false;
  bool over_ = false;
  std::size_t sent_ = 0;      // by the peer
  std::size_t received_ = 0;  // by the stream
  std::size_t answered_ = 0;  // by the stream
  std::size_t heard_ = 0;     // by the peer
};

TEST(Stream, LosesNoByteAndNoEndWhateverIsPaused) {
  const char* given = std::getenv("SEED");
  const auto seed = given == nullptr ? std::random_device{}() : std::strtoul(given, nullptr, 10);
  SCOPED_TRACE("SEED=" + std::to_string(seed));
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    for (const Ends ends : {Ends::kWithFin, Ends::kWithFinBehindTheLastBytes, Ends::kWithReset}) {
      for (const bool tcp : {true, false}) {
        Conversation conversation(random, tcp);
        conversation.take_steps(static_cast<int>(random() % 300));
        conversation.finish(ends);
      }
    }
  }
}

// Who is told may go on with what the peer had sent, and close later.
TEST(Stream, IsToldOnceThatItIsBroken) {
  struct Owner final : StreamEvents {
    void on_data(char*, std::size_t) override {}
    void on_end() override {}
    void on_broken() override { ++broken; }
    void on_drained() override {}
    void on_closed() override {}
    int broken = 0;
  } owner;
  for (const bool tcp : {true, false}) {
    SCOPED_TRACE(tcp ? "TCP" : "Unix");
    Loop loop;
    Stream stream;
    int pair[2] = {-1, -1};
    connect_pair(tcp, pair);
    stream.adopt(loop, pair[0], owner);
    stream.write(std::string(64 << 20, 'x'));
    ASSERT_TRUE(stream.blocked());
    char buffer[64 * 1024];
    while (recv(pair[1], buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
    close(pair[1]);
    owner.broken = 0;
    const auto lost = std::chrono::steady_clock::now() + kUntilLost;
    while (owner.broken == 0 && std::chrono::steady_clock::now() < lost) loop.turn(false);
    for (int i = 0; i < 10; ++i) loop.turn(false);
    EXPECT_EQ(1, owner.broken);
    stream.close();
    loop.turn(false);
  }
}

}  // namespace
}  // namespace gw::net
