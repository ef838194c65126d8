/* SPDX-License-Identifier: Apache-2.0
 * The router: last of a pipeline, names the upstream endpoint. Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_ROUTER_H
#define GATEWAY_ABI_ROUTER_H

#include "base.h"
#include "filter.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_ROUTER_ID "gw.router/1"

enum {
  GW_ENDPOINT_TLS = 1,          /* https */
  GW_ENDPOINT_PRESERVE_HOST = 2 /* send the client's Host */
};

typedef struct gw_endpoint {
  uint32_t struct_size;
  uint32_t flags;
  gw_str address; /* "10.0.0.7:8080", "[::1]:8080", "name:8080", "unix:/run/x.sock";
                                   a relative path starts in the configuration's folder */
  gw_str host;    /* Host to send; empty: the address ("localhost" for a Unix socket) */
  uint32_t connect_timeout_ms;  /* 0 = the server's default, in all three */
  uint32_t response_timeout_ms; /* to the answer's head */
  uint32_t idle_timeout_ms;     /* between two pieces of a body */
  uint32_t reserved;
  uint64_t body_limit; /* of the request, bytes; 0 = the server's default */
  uint64_t token;      /* the router's own, given back in gw_attempt */
} gw_endpoint;

/* How an attempt went. Values are only ever added. */
enum {
  GW_ATTEMPT_ANSWERED = 0, /* an answer's head came, of any status */
  GW_ATTEMPT_REFUSED = 1,  /* not connected: refused, unreachable, unresolved */
  GW_ATTEMPT_CONNECT_TIMEOUT = 2,
  GW_ATTEMPT_BROKEN = 3, /* the connection broke before a whole head */
  GW_ATTEMPT_RESPONSE_TIMEOUT = 4,
  GW_ATTEMPT_BAD_ANSWER = 5, /* what came is not HTTP/1.1 as it should be */
  GW_ATTEMPT_ABANDONED = 6,  /* the client left, or a filter answered first */
  GW_ATTEMPT_OVERLOADED = 7  /* the endpoint's bound on connections or waiting was reached */
};

typedef struct gw_attempt {
  uint32_t struct_size;
  uint32_t number; /* from 1 */
  int32_t result;
  uint32_t status;      /* when answered */
  uint64_t token;       /* of the endpoint tried */
  uint64_t duration_ns; /* to the head, or to the failure */
} gw_attempt;

/* "gw.router/1" */
typedef struct gw_router_api {
  uint32_t struct_size;
  /* [worker] Attempt 1: `previous` is null. GW_CONTINUE: `out` (zeroed, struct_size set) is filled, its views
   * live as long as the exchange (gw.exchange/1.alloc, or longer). GW_REPLIED: no endpoint, answered by
   * the router. Called again when an attempt failed in a way that may be repeated (nothing of the
   * body was lost, and the method is idempotent or nothing was sent); GW_PAUSE is not allowed. */
  gw_verdict (*choose)(void* part, gw_exchange* exchange, void** slot, const gw_attempt* previous,
                       gw_endpoint* out);
  /* [worker] Called once for every attempt, when it is decided. May be null. */
  void (*outcome)(void* part, gw_exchange* exchange, void** slot, const gw_attempt* attempt);
  /* [worker] The answer's head, before the filters see it (a route's own answer filters). May be null. */
  gw_verdict (*on_response_head)(void* part, gw_exchange* exchange, void** slot);
  /* [worker] As in gw.filter/1. May be null. */
  void (*on_complete)(void* part, gw_exchange* exchange, void** slot, const gw_outcome* outcome);
} gw_router_api;

#ifdef __cplusplus
}
#endif
#endif
