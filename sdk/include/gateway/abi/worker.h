/* SPDX-License-Identifier: Apache-2.0
 * What runs on a worker's loop: timers, descriptors, the end of a turn, posts between workers, name
 * resolution and HTTP call-outs of the control plane. Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_WORKER_H
#define GATEWAY_ABI_WORKER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_WORKER_ID "gw.worker/1"
#define GW_TIMER_ID "gw.timer/1"
#define GW_FD_ID "gw.fd/1"
#define GW_TURN_ID "gw.turn/1"
#define GW_POST_ID "gw.post/1"
#define GW_RESOLVE_ID "gw.resolve/1"
#define GW_CALL_ID "gw.call/1"
#define GW_OFFLOAD_ID "gw.offload/1"

/* "gw.worker/1" */
typedef struct gw_worker_api {
  uint32_t struct_size;
  /* [any] 0 is the home worker. */
  uint32_t (*index)(gw_worker* worker);
} gw_worker_api;

/* "gw.timer/1": coarse (about 10 ms), cheap, any number. */
typedef struct gw_timer_api {
  uint32_t struct_size;
  /* [worker] Calls `fire` after `delay_ms`, then every `repeat_ms` when that is not 0. A timer without
   * repeat is dead once it has fired. Null: out of memory. */
  gw_ticket* (*start)(gw_worker* worker, uint32_t delay_ms, uint32_t repeat_ms,
                      void (*fire)(void* user), void* user);
  /* [worker] Also allowed inside its own `fire`. */
  void (*cancel)(gw_ticket* timer);
} gw_timer_api;

enum { GW_FD_READ = 1, GW_FD_WRITE = 2 };

/* "gw.fd/1": lets any asynchronous C library run on the worker's loop. */
typedef struct gw_fd_api {
  uint32_t struct_size;
  /* [worker] Calls `ready` while the descriptor is ready for an event asked for (level-triggered;
   * errors and hang-ups count as both). One watch per descriptor. Null: not a pollable descriptor. */
  gw_ticket* (*watch)(gw_worker* worker, int32_t fd, uint32_t events,
                      void (*ready)(void* user, uint32_t events), void* user);
  /* [worker] Asks for other events; 0 rests the watch. Costs nothing when nothing changes. */
  gw_status (*update)(gw_ticket* watch, uint32_t events);
  /* [worker] Before the descriptor is closed. Also allowed inside its own `ready`. */
  void (*cancel)(gw_ticket* watch);
} gw_fd_api;

/* "gw.turn/1": work that waits for the end of the loop's turn, such as flushing a batch. */
typedef struct gw_turn_api {
  uint32_t struct_size;
  /* [worker] A hook, not armed. */
  gw_ticket* (*create)(gw_worker* worker, void (*run)(void* user), void* user);
  /* [worker] Calls `run` once at the end of this turn, after all else that is ready now. */
  void (*arm)(gw_ticket* hook);
  /* [worker] */
  void (*cancel)(gw_ticket* hook);
} gw_turn_api;

/* "gw.post/1": work for another worker of the same instance. */
typedef struct gw_post_api {
  uint32_t struct_size;
  /* [any] Calls `run(part, user)` on worker `index`, with that worker's part of the instance, in order of posting;
   * when the instance is over by then, calls `drop(user)` instead (which may be null), on any thread. Also valid from a
   * worker to itself; never runs inside this call. GW_NOT_FOUND: no such worker. */
  gw_status (*post)(gw_context* context, uint32_t index, void (*run)(void* part, void* user),
                    void (*drop)(void* user), void* user);
} gw_post_api;

/* "gw.resolve/1": names to addresses, off the loop. */
typedef struct gw_resolve_api {
  uint32_t struct_size;
  /* [worker] Calls `done` with numeric addresses ("10.0.0.7", "fe80::1"), or none and a failure. */
  gw_ticket* (*resolve)(gw_worker* worker, gw_str host,
                        void (*done)(void* user, gw_status status, const gw_str* addresses,
                                     uint32_t count),
                        void* user);
  void (*cancel)(gw_ticket* resolution);
} gw_resolve_api;

typedef struct gw_call_request {
  uint32_t struct_size;
  uint32_t timeout_ms; /* for all of it; 0 = 10 s */
  gw_str method;       /* "GET" */
  gw_str url;          /* http: or https:; user:password@ is sent as Basic */
  const gw_header* headers;
  uint32_t header_count;
  uint32_t connect_timeout_ms; /* 0 = 5 s */
  gw_str body;
  uint64_t max_answer_bytes; /* 0 = 16 MiB */
} gw_call_request;

typedef struct gw_call_answer {
  uint32_t struct_size;
  gw_status status; /* GW_OK: an answer of any HTTP status came whole */
  uint32_t http_status;
  uint32_t header_count;
  const gw_header* headers;
  gw_str body;  /* decompressed */
  gw_str error; /* for people, when status is not GW_OK */
} gw_call_answer;

/* "gw.call/1": HTTP call-outs of the control plane (TLS, redirects to the same scheme, compression).
 * Not for requests of visitors. */
typedef struct gw_call_api {
  uint32_t struct_size;
  /* [worker] Copies the request. Null: not a URL of http or https. */
  gw_ticket* (*call)(gw_worker* worker, const gw_call_request* request,
                     void (*done)(void* user, const gw_call_answer* answer), void* user);
  void (*cancel)(gw_ticket* call);
} gw_call_api;

/* "gw.offload/1": work that would hold the loop, on threads that all plugins share. */
typedef struct gw_offload_api {
  uint32_t struct_size;
  /* [worker] Calls `work(user)` on such a thread, then `done(user)` on this worker. When the ticket is
   * cancelled, or the part goes first, `drop(user)` (which may be null) is called instead of `done`: inside
   * the cancelling while `work` does not run, else on its thread when it has returned. The library stays
   * loaded until then. Null, and nothing is called: too much waits already. */
  gw_ticket* (*run)(gw_worker* worker, void (*work)(void* user), void (*done)(void* user),
                    void (*drop)(void* user), void* user);
  /* [worker] */
  void (*cancel)(gw_ticket* work);
} gw_offload_api;

#ifdef __cplusplus
}
#endif
#endif
