/* SPDX-License-Identifier: Apache-2.0
 * What the host tells an instance about itself: name, configuration, listeners, attributes, texts.
 * Part of gateway/plugin.h. */
#ifndef GATEWAY_ABI_CONTEXT_H
#define GATEWAY_ABI_CONTEXT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GW_CONTEXT_ID "gw.context/1"
#define GW_CONFIG_ID "gw.config/1"
#define GW_ATTRIBUTE_ID "gw.attribute/1"
#define GW_TEXT_ID "gw.text/1"

typedef struct gw_listener {
  uint32_t struct_size;
  int32_t loopback; /* 1: only this machine reaches it (127/8, ::1, Unix socket) */
  gw_str address;   /* "127.0.0.1:8080", "[::]:8080", "unix:/run/x.sock" */
} gw_listener;

/* "gw.context/1" */
typedef struct gw_context_api {
  uint32_t struct_size;
  /* [any] The instance's name in gateway.toml. As long as the instance. */
  gw_str (*name)(gw_context* context);
  /* [any] How many workers there are; their indexes are 0 .. count-1. The home worker has index 0. */
  uint32_t (*worker_count)(gw_context* context);
  /* [any] The i-th listener as configured, or GW_NOT_FOUND. `out->address`: as long as the instance. */
  gw_status (*listener_at)(gw_context* context, uint32_t i, gw_listener* out);
  /* [home] Ends the asynchronous `start` of the instance (abi/instance.h), once: GW_OK, or a failure
   * with a message for the operator. May be called inside `start`. */
  void (*started)(gw_context* context, gw_status status, gw_str message);
  /* [home] Ends the asynchronous `stop` of the instance, once. May be called inside `stop`. */
  void (*stopped)(gw_context* context);
} gw_context_api;

/* "gw.config/1": reads a table that was already checked against the manifest's schema; defaults are
 * filled in and ${NAME:default} replaced. Reading a key that the schema lacks, or as another type,
 * gives GW_NOT_FOUND. Usable in `create` alone: table and texts live until that call returns. */
typedef struct gw_config_api {
  uint32_t struct_size;
  /* [main] type string; type path: made absolute, relative to the configuration file's folder. */
  gw_status (*get_string)(const gw_config* table, const char* key, gw_str* out);
  /* [main] type integer; duration (milliseconds; written 250, "250ms", "30s", "5m", "2h"); size
   * (bytes; written 4096, "16KiB", "1MiB", "1GiB"). */
  gw_status (*get_integer)(const gw_config* table, const char* key, int64_t* out);
  gw_status (*get_float)(const gw_config* table, const char* key, double* out);
  gw_status (*get_boolean)(const gw_config* table, const char* key, int32_t* out);
  /* [main] types strings, integers, tables: elements; GW_NOT_FOUND when i is past the end. */
  gw_status (*string_at)(const gw_config* table, const char* key, uint32_t i, gw_str* out);
  gw_status (*integer_at)(const gw_config* table, const char* key, uint32_t i, int64_t* out);
  gw_status (*table_at)(const gw_config* table, const char* key, uint32_t i, const gw_config** out);
  /* [main] type table. */
  gw_status (*get_table)(const gw_config* table, const char* key, const gw_config** out);
  /* [main] The i-th key that the table holds, defaults included; for tables with free keys. */
  gw_status (*key_at)(const gw_config* table, uint32_t i, gw_str* out);
  /* [main] Complains about a key's meaning; the host adds file:line:column. Any number of complaints
   * may be made before `create` returns GW_INVALID. `key` may be null: the whole table. */
  void (*complain)(const gw_config* table, const char* key, gw_str message);
} gw_config_api;

/* "gw.attribute/1": values of an exchange by which plugins speak to each other. The core provides
 * client.address (text, no port), client.scheme ("http" or "https"), request.id. It reads trace.id, which a
 * filter may set: the traceId of the error envelope (without it: the request.id). */
typedef struct gw_attribute_api {
  uint32_t struct_size;
  /* [any] A number for the name, the same for everybody as long as the process runs. 0: no room. */
  uint32_t (*intern)(const char* name);
  /* [worker] GW_NOT_FOUND when unset. The view lives as long as the exchange (set again: still). */
  gw_status (*get)(gw_exchange* exchange, uint32_t attribute, gw_str* out);
  /* [worker] Copies the value. GW_LIMIT above 16 KiB. */
  gw_status (*set)(gw_exchange* exchange, uint32_t attribute, gw_str value);
} gw_attribute_api;

/* "gw.text/1": the message catalogue. */
typedef struct gw_text_api {
  uint32_t struct_size;
  /* [worker] The text for `key` in the language of the exchange: from the catalogue files when the
   * configuration's `languages` allow it, else `fallback`. As long as the exchange. */
  gw_str (*get)(gw_exchange* exchange, const char* key, gw_str fallback);
} gw_text_api;

#ifdef __cplusplus
}
#endif
#endif
