// SPDX-License-Identifier: Apache-2.0
#include "net/listen_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "net/acceptor.h"

namespace gw::net {
namespace {

TEST(AddressTest, SplitsAndPrints) {
  struct Case {
    const char* text;
    bool ok;
    const char* host;
    int port;
  };
  for (const Case& item : {Case{"10.0.0.1:80", true, "10.0.0.1", 80},
                           {"[::1]:80", true, "::1", 80},
                           {"name:0", true, "name", 0},
                           {"unix:a/b", true, "a/b", 0},
                           {"::1:80", false, "", 0},
                           {"[x]:80", false, "", 0},
                           {"a:70000", false, "", 0},
                           {"a:", false, "", 0},
                           {"a", false, "", 0},
                           {":80", false, "", 0},
                           {"a:8x", false, "", 0},
                           {"unix:", false, "", 0}}) {
    const AddressParts parts = split_address(item.text);
    EXPECT_EQ(item.ok, parts.ok) << item.text;
    if (!item.ok) continue;
    EXPECT_EQ(item.host, parts.host);
    EXPECT_EQ(item.port, parts.port);
  }
  EXPECT_FALSE(split_address("unix:" + std::string(200, 'a')).ok);
  char text[Address::kTextBytes];
  EXPECT_EQ("10.0.0.1:80", Address::from_ip("10.0.0.1", 80).text(text));
  EXPECT_EQ("[fe80::1]:80", Address::from_ip("fe80::1%2", 80).text(text));
  EXPECT_EQ(Address::Kind::kNone, Address::from_ip("10.0.0.256").kind);
  EXPECT_EQ(Address::Kind::kNone, Address::from_ip(std::string_view("10.0.0.1\0x", 10)).kind);
}

TEST(ListenSocket, WorkersShareAPortThatTheSystemChose) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    auto opened = ListenSocket::open(address);
    if (!opened.ok() && std::string_view(address).starts_with("[")) continue;  // no IPv6 here
    ASSERT_TRUE(opened.ok()) << opened.error();
    EXPECT_NE(0, (*opened)->port());
    EXPECT_TRUE((*opened)->address().ends_with(":" + std::to_string((*opened)->port())));
    std::vector<int> fds;
    for (int i = 0; i < 3; ++i) {
      auto fd = (*opened)->for_worker();
      ASSERT_TRUE(fd.ok()) << fd.error();
      fds.push_back(*fd);
    }
    // Another program would be told; so is a second ListenSocket.
    auto second = ListenSocket::open((*opened)->address());
    EXPECT_FALSE(second.ok());
    for (const int fd : fds) close(fd);
  }
}

// Can a client of that family connect to the port on loopback?
bool reachable(int family, std::uint16_t port) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage to{};
  const socklen_t size =
      Address::from_ip(family == AF_INET ? "127.0.0.1" : "::1", port).to_socket(to);
  const bool ok = connect(fd, reinterpret_cast<sockaddr*>(&to), size) == 0;
  close(fd);
  return ok;
}

TEST(ListenSocket, StarIsBothFamilies) {
  auto both = ListenSocket::open("*:0");
  ASSERT_TRUE(both.ok()) << both.error();
  EXPECT_EQ("*:" + std::to_string((*both)->port()), (*both)->address());
  EXPECT_TRUE(reachable(AF_INET, (*both)->port()));
  auto six = ListenSocket::open("[::]:0");
  if (!six.ok()) return;  // no IPv6 here
  EXPECT_TRUE(reachable(AF_INET6, (*both)->port()));
  EXPECT_TRUE(reachable(AF_INET6, (*six)->port()));
  EXPECT_FALSE(reachable(AF_INET, (*six)->port()));
}

TEST(ListenSocket, Adopts) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_storage at{};
  const socklen_t size = Address::from_ip("127.0.0.1", 0).to_socket(at);
  ASSERT_EQ(0, bind(fd, reinterpret_cast<sockaddr*>(&at), size));
  EXPECT_FALSE(ListenSocket::adopt(fd).ok()) << "it does not listen";
  ASSERT_EQ(0, listen(fd, 5));
  auto adopted = ListenSocket::adopt(fd);
  ASSERT_TRUE(adopted.ok()) << adopted.error();
  EXPECT_TRUE(reachable(AF_INET, (*adopted)->port()));
  auto first = (*adopted)->for_worker();
  auto second = (*adopted)->for_worker();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(*first, *second);
  EXPECT_NE(0, fcntl(*first, F_GETFL) & O_NONBLOCK);
  EXPECT_NE(0, fcntl(*first, F_GETFD) & FD_CLOEXEC);
  close(*first);
  close(*second);
  close(fd);
  EXPECT_FALSE(ListenSocket::adopt(fd).ok());
  const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_FALSE(ListenSocket::adopt(datagrams).ok());
  close(datagrams);
}

TEST(ListenSocket, UnixFiles) {
  const std::string path =
      ::testing::TempDir() + std::to_string(::getpid()) + "listen_socket_test.sock";
  unlink(path.c_str());
  {
    auto opened = ListenSocket::open("unix:" + path, 0600);
    ASSERT_TRUE(opened.ok()) << opened.error();
    struct stat file {};
    ASSERT_EQ(0, stat(path.c_str(), &file));
    EXPECT_EQ(0600u, file.st_mode & 0777);
    auto fd = (*opened)->for_worker();
    ASSERT_TRUE(fd.ok());
    EXPECT_FALSE(ListenSocket::open("unix:" + path).ok());  // somebody answers
    close(*fd);
  }
  EXPECT_NE(0, access(path.c_str(), F_OK)) << "the file is left";
  {
    // A file that a killed program left behind.
    auto opened = ListenSocket::open("unix:" + path);
    ASSERT_TRUE(opened.ok());
    ASSERT_EQ(0, rename(path.c_str(), (path + ".left").c_str()));
    opened->reset();
    ASSERT_EQ(0, rename((path + ".left").c_str(), path.c_str()));
    EXPECT_TRUE(ListenSocket::open("unix:" + path).ok());
  }
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  close(fd);
  EXPECT_FALSE(ListenSocket::open("unix:" + path).ok()) << "took the place of a plain file";
  unlink(path.c_str());
}

TEST(Acceptor, RestsWhenDescriptorsRunOut) {
  Loop loop;
  auto opened = ListenSocket::open("127.0.0.1:0");
  ASSERT_TRUE(opened.ok());
  auto fd = (*opened)->for_worker();
  ASSERT_TRUE(fd.ok());
  struct State {
    Loop& loop;
    std::vector<int> accepted;
    int rests = 0;
  } state{loop, {}};
  static const Acceptor::Events kEvents = {
      [](void* user, int accepted, const Address& peer) {
        auto& its = *static_cast<State*>(user);
        EXPECT_EQ(Address::Kind::kIp4, peer.kind);
        its.accepted.push_back(accepted);
        its.loop.stop();
      },
      [](void* user, int) { ++static_cast<State*>(user)->rests; }};
  auto acceptor = Acceptor::create(loop, *fd, kEvents, &state);
  ASSERT_NE(nullptr, acceptor);

  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons((*opened)->port());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto connect_one = [&] {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, connect(client, reinterpret_cast<sockaddr*>(&to), sizeof to));
    return client;
  };
  const int first = connect_one();
  const int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // From here on not one descriptor more can be opened.
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int lowest = dup(0);
  close(lowest);
  rlimit tight{static_cast<rlim_t>(lowest), before.rlim_max};
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &tight));
  while (state.rests == 0) loop.turn(true);
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
  EXPECT_TRUE(state.accepted.empty());
  // The first was let go; the next one is served.
  char byte;
  EXPECT_EQ(0, recv(first, &byte, 1, 0));
  ASSERT_EQ(0, connect(second, reinterpret_cast<sockaddr*>(&to), sizeof to));
  loop.run();
  EXPECT_EQ(1u, state.accepted.size());
  for (const int accepted : state.accepted) close(accepted);
  close(first);
  close(second);
}

}  // namespace
}  // namespace gw::net
