/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's plugin ABI: everything that the gateway and a plugin share, in plain C (C11 to C++20).
 *
 * History
 *   1.0  2026-11  First edition.
 *
 * How it fits together
 *   A plugin is a shared library that exports one symbol, `gw_plugin_entry`, and carries a manifest
 *   (GW_PLUGIN, below) that can be read without loading it. Host and plugin hand each other tables of
 *   function pointers by string id ("gw.timer/1"). What is in a released table never changes: a new
 *   function is a field appended behind `struct_size`, or a table with a new revision. A null function,
 *   or one behind `struct_size`, means "not supported".
 *
 *   The host's tables                              The plugin's tables
 *     abi/context.h  instance, config, attributes    abi/instance.h  life cycle            (required)
 *     abi/exchange.h one request and its answer      abi/filter.h    a place in a pipeline
 *     abi/stream.h   an answer that stays open       abi/router.h    chooses the endpoint
 *     abi/worker.h   timer, fd, turn, post,          abi/command.h   subcommands of the program
 *                    resolve, HTTP call-out, offload
 *     abi/observe.h  log, clock, random,
 *                    metrics, health
 *     abi/report.h   the host about itself
 *     abi/handover.h asks a successor               abi/handover.h  gives to a successor
 *
 * Rules that hold everywhere
 *   - Threads are named in brackets before each function: [main] the thread that prepares and retires
 *     generations; [worker] the one loop thread to which the handle belongs; [home] the worker that an
 *     instance lives on, always the same; [any] any thread, also one of the plugin's own.
 *   - A `gw_str` is a view (not NUL-terminated). It dies when the call returns, unless its comment says
 *     more. Who allocated frees; nothing allocated by one side is freed by the other.
 *   - A callback never runs inside the call that registered it. Every asynchronous call gives a
 *     `gw_ticket`; cancelling it means that the callback never runs. A ticket whose only callback has
 *     run is dead; cancelling a null ticket does nothing.
 *   - All tickets of a worker part are cancelled by the host after its `destroy_part` has returned.
 *   - Plugins run in the gateway's process and are trusted like its own code. No exception, errno,
 *     FILE* or libuv handle crosses this border.
 */
#ifndef GATEWAY_PLUGIN_H
#define GATEWAY_PLUGIN_H

#include "abi/base.h"
#include "abi/command.h"
#include "abi/context.h"
#include "abi/exchange.h"
#include "abi/filter.h"
#include "abi/handover.h"
#include "abi/instance.h"
#include "abi/observe.h"
#include "abi/report.h"
#include "abi/router.h"
#include "abi/stream.h"
#include "abi/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The host as the plugin sees it. Lives as long as the plugin is loaded. */
typedef struct gw_host {
  uint32_t struct_size;
  uint32_t abi;   /* GW_ABI of the host */
  gw_str version; /* "gateway 0.1.0"; as long as the plugin is loaded */
  /* [any] The host's table of that id, or null. The table lives as long as the plugin is loaded. */
  const void* (*get_interface)(const struct gw_host* host, const char* id);
} gw_host;

/* The plugin as the host sees it. */
typedef struct gw_plugin {
  uint32_t struct_size;
  uint32_t abi;         /* GW_ABI that the plugin was built with */
  const char* manifest; /* the same text as in the note */
  /* [main] First call, once per load, after the manifest's required interfaces were found to exist.
   * Anything but GW_OK unloads the library again. */
  gw_status (*init)(const gw_host* host);
  /* [main] Last call, after every instance was destroyed. No thread of the plugin's may outlive it. */
  void (*finish)(void);
  /* [main] The plugin's table of that id ("gw.filter/1"), or null. Valid from init to finish. */
  const void* (*get_interface)(const char* id);
} gw_plugin;

/* The one exported symbol. */
GW_EXPORT extern const gw_plugin gw_plugin_entry;

/* Defines the manifest: the note that is read without loading the plugin, and `gw_plugin_manifest`, for
 * the entry. `text` is one string literal holding a TOML document:
 *
 *   id = "auth_jwt"                       # also the default message prefix; [a-z][a-z0-9_]*
 *   version = "1.0.0"                     # semver of the plugin
 *   abi = "1.0"                           # lowest host ABI that it runs on
 *   licence = "Apache-2.0"
 *   summary = "Verifies bearer tokens"
 *   pinned = false                        # true: never unloaded
 *   requires = ["gw.exchange/1"]          # host tables without which it does not load
 *   optional = ["gw.health/1"]            # host tables that it does without
 *   provides = ["gw.instance/1", "gw.filter/1"]
 *   [attributes]                          # of the exchange
 *   provides = ["identity.subject"]       # set by this plugin's filter
 *   consumes = ["client.address"]         # a provider must stand before it in every pipeline
 *   uses     = ["route.id"]               # read when present
 *   [config.jwks_uri]                     # one table a key, checked by the host before `create`
 *   type = "string"                       # string integer float boolean duration size path
 *                                         # strings integers (arrays) table tables (array of tables)
 *   default = ""                          # text may hold ${NAME:default}; without default: required
 *   doc = "Where the keys are fetched."
 *   minimum = 0                           # integer, float, duration (ms), size (bytes)
 *   maximum = 10
 *   one_of = ["a", "b"]                   # string
 *   [config.rules]
 *   type = "tables"
 *   [config.rules.keys.path]              # of type table or tables: the keys inside, the same way;
 *   type = "string"                       # without `keys` any key is allowed
 */
#define GW_PLUGIN_MANIFEST(text)                                                    \
  __attribute__((section(".note.gateway"), used, aligned(4))) static const struct { \
    uint32_t name_size, text_size, type;                                            \
    char name[8];                                                                   \
    char body[sizeof(text)];                                                        \
  } gw_plugin_note = {8, sizeof(text), 1, "gateway", text};                         \
  static const char* const gw_plugin_manifest = text

#ifdef __cplusplus
}
#endif
#endif
