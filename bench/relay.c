/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor of what libuv can do: a relay on one loop that parses next to nothing. Every read from a
 * client is taken for one whole request and goes to a pooled connection of the origin; what comes
 * back is one whole answer. No limit, no timeout, no check: a measure, not a proxy.
 *
 *   relay PORT ORIGIN_PORT      both on 127.0.0.1
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct side {
  uv_tcp_t tcp; /* first: a handle is its side */
  struct side* other;
  struct side* next_idle;
  uv_connect_t connect;
  char* waiting; /* a request that came while the connection to the origin opens */
  ssize_t waiting_size;
  int to_origin;
};

static struct side* idle;
static struct sockaddr_in origin;
static char buffer[65536];

static void closed(uv_handle_t* handle) {
  free(handle);
}

static void allocate(uv_handle_t* handle, size_t size, uv_buf_t* out) {
  (void)handle, (void)size;
  *out = uv_buf_init(buffer, sizeof buffer);
}

static void send_to(struct side* side, char* data, ssize_t size) {
  uv_buf_t out = uv_buf_init(data, (unsigned)size);
  uv_try_write((uv_stream_t*)&side->tcp, &out, 1); /* a client that left is about to be closed */
}

static void received(uv_stream_t* stream, ssize_t size, const uv_buf_t* data);

static void connected(uv_connect_t* connect, int status) {
  struct side* side = connect->data;
  if (status != 0) abort();
  uv_read_start((uv_stream_t*)&side->tcp, allocate, received);
  send_to(side, side->waiting, side->waiting_size);
  free(side->waiting);
}

static struct side* open_side(uv_loop_t* loop) {
  struct side* side = calloc(1, sizeof *side);
  uv_tcp_init(loop, &side->tcp);
  return side;
}

static void connect_and_send(struct side* client, const char* data, ssize_t size) {
  struct side* side = open_side(client->tcp.loop);
  side->to_origin = 1;
  side->other = client;
  client->other = side;
  side->waiting = malloc((size_t)size);
  side->waiting_size = size;
  for (ssize_t i = 0; i < size; ++i) side->waiting[i] = data[i];
  side->connect.data = side;
  uv_tcp_connect(&side->connect, &side->tcp, (struct sockaddr*)&origin, connected);
  uv_tcp_nodelay(&side->tcp, 1);
}

static void received(uv_stream_t* stream, ssize_t size, const uv_buf_t* data) {
  struct side* side = (struct side*)stream;
  if (size == 0) return;
  if (size < 0) {
    if (side->to_origin) abort(); /* the benchmark's origin keeps its connections */
    if (side->other != NULL) side->other->other = NULL;
    uv_close((uv_handle_t*)stream, closed);
    return;
  }
  if (side->to_origin) {
    if (side->other != NULL) {
      send_to(side->other, data->base, size);
      side->other->other = NULL;
    }
    side->other = NULL;
    side->next_idle = idle;
    idle = side;
  } else if (idle != NULL) {
    struct side* to = idle;
    idle = to->next_idle;
    to->other = side;
    side->other = to;
    send_to(to, data->base, size);
  } else {
    connect_and_send(side, data->base, size);
  }
}

static void accepted(uv_stream_t* listener, int status) {
  if (status != 0) return;
  struct side* side = open_side(listener->loop);
  if (uv_accept(listener, (uv_stream_t*)&side->tcp) != 0) abort();
  uv_tcp_nodelay(&side->tcp, 1);
  uv_read_start((uv_stream_t*)&side->tcp, allocate, received);
}

int main(int argc, char** argv) {
  struct sockaddr_in here;
  uv_tcp_t listener;
  if (argc != 3) return fprintf(stderr, "usage: relay PORT ORIGIN_PORT\n"), 2;
  uv_ip4_addr("127.0.0.1", atoi(argv[1]), &here);
  uv_ip4_addr("127.0.0.1", atoi(argv[2]), &origin);
  uv_tcp_init(uv_default_loop(), &listener);
  if (uv_tcp_bind(&listener, (struct sockaddr*)&here, 0) != 0 ||
      uv_listen((uv_stream_t*)&listener, 1024, accepted) != 0) {
    return perror("relay"), 1;
  }
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
