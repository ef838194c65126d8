/* SPDX-License-Identifier: Apache-2.0
 * Words that every other header of the ABI uses. Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_BASE_H
#define GATEWAY_ABI_BASE_H

#include <stddef.h>
#include <stdint.h>

#define GW_ABI_MAJOR 1u
#define GW_ABI_MINOR 0u
#define GW_ABI ((GW_ABI_MAJOR << 16) | GW_ABI_MINOR)

#define GW_EXPORT __attribute__((visibility("default")))

/* Is field `f` of the table `t` (a pointer) known to the other side, and set? */
#define GW_HAS(t, f) \
  ((t) != 0 && (t)->struct_size >= offsetof(__typeof__(*(t)), f) + sizeof((t)->f) && (t)->f != 0)

#ifdef __cplusplus
extern "C" {
#endif

/* A view of bytes. `ptr` may be null when `len` is 0. */
typedef struct gw_str {
  const char* ptr;
  uint64_t len;
} gw_str;

/* What a call came to. 0 is success; all else is negative. Values are only ever added. */
typedef int32_t gw_status;
enum {
  GW_OK = 0,
  GW_ERROR = -1,       /* failed; the text beside it, or the log, says why */
  GW_INVALID = -2,     /* an argument is not of the form that the function asks for */
  GW_NOT_FOUND = -3,   /* nothing of that name or number */
  GW_LIMIT = -4,       /* a configured maximum would be passed; nothing was done */
  GW_GONE = -5,        /* the exchange, stream or peer is no more */
  GW_TIMEOUT = -6,     /* a deadline passed */
  GW_UNSUPPORTED = -7, /* this host or plugin has no such thing */
  GW_WRONG_STATE = -8  /* not allowed now, such as a second reply */
};

typedef struct gw_context gw_context;   /* host's side of one plugin instance */
typedef struct gw_worker gw_worker;     /* host's side of one instance on one worker */
typedef struct gw_exchange gw_exchange; /* one request and its answer */
typedef struct gw_stream gw_stream;     /* an answer that stays open */
typedef struct gw_ticket gw_ticket;     /* something asynchronous that can be cancelled */
typedef struct gw_config gw_config;     /* a table of the configuration */
typedef struct gw_cell gw_cell;         /* one time series of one worker */

typedef struct gw_header {
  gw_str name;
  gw_str value;
} gw_header;

#ifdef __cplusplus
}
#endif
#endif
