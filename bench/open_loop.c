/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests at a fixed rate, whatever the answers do (an open loop): a slow answer makes later ones
 * late instead of rarer, and each latency counts from the moment at which its request was due.
 *
 *   open_loop PORT RATE SECONDS CONNECTIONS      prints "p50 p99" in microseconds
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static const char kRequest[] = "GET /x HTTP/1.1\r\nHost: bench\r\n\r\n";
enum { kMostConnections = 1024 };

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int ascending(const void* a, const void* b) {
  const uint32_t x = *(const uint32_t*)a, y = *(const uint32_t*)b;
  return (x > y) - (x < y);
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: open_loop PORT RATE SECONDS CONNECTIONS\n"), 2;
  const uint64_t period = 1000000000u / (uint64_t)atoi(argv[2]);
  const size_t total = (size_t)atoi(argv[2]) * (size_t)atoi(argv[3]);
  const int connections = atoi(argv[4]);
  if (connections < 1 || connections > kMostConnections) return 2;
  uint32_t* took = calloc(total, sizeof *took);
  uint64_t due[kMostConnections + 8]; /* of the request under way, by descriptor */
  int unused[kMostConnections], unused_count = 0;
  char answer[4096];

  const int poll_fd = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) fail("connect");
    if (fd >= kMostConnections + 8) return 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    unused[unused_count++] = fd;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event);

  const uint64_t begin = now_ns() + 1000000;
  size_t sent = 0, answered = 0;
  while (answered < total) {
    const uint64_t now = now_ns();
    while (sent < total && unused_count > 0 && begin + sent * period <= now) {
      const int fd = unused[--unused_count];
      due[fd] = begin + sent++ * period;
      if (write(fd, kRequest, sizeof kRequest - 1) != sizeof kRequest - 1) fail("write");
    }
    const uint64_t next = begin + sent * period;
    const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next / 1000000000u),
                                               .tv_nsec = (long)(next % 1000000000u)}};
    if (sent < total && unused_count > 0) timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    struct epoll_event ready[64];
    const int count = epoll_wait(poll_fd, ready, 64, 10000);
    if (count == 0) return fprintf(stderr, "no answer for 10 s\n"), 1;
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      const ssize_t size = read(fd, answer, sizeof answer);
      if (fd == timer) continue;
      if (size <= 0 || memcmp(answer, "HTTP/1.1 200", 12) != 0) fail("answer");
      took[answered++] = (uint32_t)((now_ns() - due[fd]) / 1000);
      unused[unused_count++] = fd;
    }
  }
  qsort(took, total, sizeof *took, ascending);
  printf("%u %u\n", took[total / 2], took[total * 99 / 100]);
  return 0;
}
