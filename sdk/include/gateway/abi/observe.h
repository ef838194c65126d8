/* SPDX-License-Identifier: Apache-2.0
 * Log, clock, random numbers, metrics and health. Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_OBSERVE_H
#define GATEWAY_ABI_OBSERVE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_LOG_ID "gw.log/1"
#define GW_CLOCK_ID "gw.clock/1"
#define GW_RANDOM_ID "gw.random/1"
#define GW_METRICS_ID "gw.metrics/1"
#define GW_HEALTH_ID "gw.health/1"

enum { GW_DEBUG = 1, GW_INFO = 2, GW_WARN = 3, GW_FAULT = 4 };

/* "gw.log/1" */
typedef struct gw_log_api {
  uint32_t struct_size;
  /* [any] */
  int32_t (*enabled)(gw_context* context, int32_t level);
  /* [any] One line; the host adds time, level and the instance's name. Control bytes are escaped. Never
   * waits for a disk. */
  void (*write)(gw_context* context, int32_t level, gw_str line);
} gw_log_api;

/* "gw.clock/1" */
typedef struct gw_clock_api {
  uint32_t struct_size;
  /* [any] Nanoseconds from an arbitrary start; never goes back. */
  uint64_t (*monotonic_ns)(gw_context* context);
  /* [any] Milliseconds since 1970-01-01T00:00:00Z; may jump. */
  int64_t (*wall_ms)(gw_context* context);
} gw_clock_api;

/* "gw.random/1" */
typedef struct gw_random_api {
  uint32_t struct_size;
  /* [any] Bytes fit for keys and identifiers. */
  void (*fill)(gw_context* context, void* out, uint64_t size);
} gw_random_api;

enum { GW_COUNTER = 1, GW_GAUGE = 2, GW_HISTOGRAM = 3 };

typedef struct gw_family {
  uint32_t struct_size;
  uint32_t type; /* GW_COUNTER ... */
  gw_str name;   /* a Prometheus name; counters end in _total */
  gw_str help;
  const gw_str* labels; /* label names */
  uint32_t label_count;
  uint32_t bound_count; /* histogram: upper bounds, rising; +Inf is added */
  const double* bounds;
} gw_family;

/* One series as a reader sees it, summed over the workers. Views die when the call returns. */
typedef struct gw_sample {
  uint32_t struct_size;
  uint32_t bucket_count; /* histogram: bound_count + 1, not cumulative */
  const gw_family* family;
  const gw_str* label_values; /* family->label_count of them */
  double value;               /* counter, gauge; histogram: sum of what was observed */
  uint64_t count;             /* histogram */
  const uint64_t* buckets;    /* histogram */
} gw_sample;

/* "gw.metrics/1": a cell is written by its worker alone, so that counting costs an addition. */
typedef struct gw_metrics_api {
  uint32_t struct_size;
  /* [worker] The worker's cell of a series; made when new, the same one when asked again. Families are
   * the process's: two plugins that name one must agree on type and labels, else null. Null also
   * at the limit of series (which is itself counted): then `add` and `observe` take null and do
   * nothing. A cell lives as long as the instance; its counts stay when the instance goes. */
  gw_cell* (*cell)(gw_worker* worker, const gw_family* family, const gw_str* label_values);
  /* [worker] Counter (delta >= 0) or gauge. */
  void (*add)(gw_cell* cell, double delta);
  /* [worker] Gauge: this worker's share of the sum. */
  void (*set)(gw_cell* cell, double value);
  /* [worker] Histogram. */
  void (*observe)(gw_cell* cell, double value);
  /* [any] Visits every series of the process, families in order of name. */
  void (*visit)(gw_context* context, void (*sample)(void* user, const gw_sample* sample),
                void* user);
} gw_metrics_api;

/* Health as Spring's Actuator has it. */
enum { GW_UP = 1, GW_UNKNOWN = 2, GW_OUT_OF_SERVICE = 3, GW_DOWN = 4 };

typedef struct gw_health_entry {
  uint32_t struct_size;
  int32_t status;
  gw_str component;    /* "redis" */
  gw_str details_json; /* a JSON object, or empty */
} gw_health_entry;

/* "gw.health/1" */
typedef struct gw_health_api {
  uint32_t struct_size;
  /* [any] Says how a component is; stays until said anew or the instance goes. Copies. */
  void (*report)(gw_context* context, const gw_health_entry* entry);
  /* [any] Visits every component, in order of name; several instances with one component: the worst. */
  void (*visit)(gw_context* context, void (*entry)(void* user, const gw_health_entry* entry),
                void* user);
} gw_health_api;

#ifdef __cplusplus
}
#endif
#endif
