/* SPDX-License-Identifier: Apache-2.0
 *
 * A filter in plain C: while a part of the shop is being worked on, requests for it are answered 503
 * and told when to come back. The rest passes.
 *
 *   cc $(pkg-config --cflags gateway-sdk) maintenance.c $(pkg-config --libs gateway-sdk) -o maintenance.so
 */
#include <gateway/plugin.h>
#include <stdlib.h>
#include <string.h>

GW_PLUGIN_MANIFEST(
    "id = 'maintenance'\n"
    "version = '1.0.0'\n"
    "abi = '1.0'\n"
    "licence = 'Apache-2.0'\n"
    "summary = 'Answers 503 for a part of the shop'\n"
    "requires = ['gw.config/1', 'gw.exchange/1']\n"
    "provides = ['gw.instance/1', 'gw.filter/1']\n"
    "config.prefix = { type = 'string', doc = 'Paths that start with it are closed.' }\n"
    "config.retry_after = { type = 'string', default = '60', doc = 'Seconds, for Retry-After.' "
    "}\n");

struct maintenance {
  char* prefix;
  size_t prefix_size;
  char* retry_after;
};

static const gw_config_api* config_api;
static const gw_exchange_api* exchange_api;

static gw_str text(const char* literal) {
  gw_str out = {literal, strlen(literal)};
  return out;
}

static char* read_string(const gw_config* config, const char* key) {
  gw_str value;
  return config_api->get_string(config, key, &value) == GW_OK ? strndup(value.ptr, value.len)
                                                              : NULL;
}

static void destroy(void* instance) {
  struct maintenance* it = instance;
  free(it->prefix);
  free(it->retry_after);
  free(it);
}

static gw_status create(gw_context* context, const gw_config* config, void** out) {
  (void)context;
  struct maintenance* it = calloc(1, sizeof *it);
  if (it == NULL) return GW_ERROR;
  it->prefix = read_string(config, "prefix");
  it->retry_after = read_string(config, "retry_after");
  if (it->prefix == NULL || it->retry_after == NULL) {
    destroy(it);
    return GW_ERROR;
  }
  it->prefix_size = strlen(it->prefix);
  if (it->prefix[0] != '/') {
    config_api->complain(config, "prefix", text("does not start with /"));
    destroy(it);
    return GW_INVALID;
  }
  *out = it;
  return GW_OK;
}

/* Nothing of it differs from worker to worker. */
static gw_status create_part(void* instance, gw_worker* worker, void** part) {
  (void)worker;
  *part = instance;
  return GW_OK;
}
static void destroy_part(void* part) {
  (void)part;
}

static gw_verdict on_request_head(void* part, gw_exchange* exchange, void** slot) {
  (void)slot;
  const struct maintenance* it = part;
  gw_request request = {.struct_size = sizeof request};
  exchange_api->request(exchange, &request);
  if (request.path.len < it->prefix_size ||
      memcmp(request.path.ptr, it->prefix, it->prefix_size) != 0) {
    return GW_CONTINUE;
  }
  const gw_header retry = {text("Retry-After"), text(it->retry_after)};
  exchange_api->fail(exchange, 503, text("SERVICE_UNAVAILABLE"), text(""), &retry, 1);
  return GW_REPLIED;
}

static gw_status init(const gw_host* host) {
  config_api = host->get_interface(host, GW_CONFIG_ID);
  exchange_api = host->get_interface(host, GW_EXCHANGE_ID);
  return GW_OK;
}
static void finish(void) {}

static const void* get_interface(const char* id) {
  static const gw_instance_api instance = {sizeof instance, create, destroy, create_part,
                                           destroy_part,    NULL,   NULL};
  static const gw_filter_api filter = {.struct_size = sizeof filter,
                                       .on_request_head = on_request_head};
  if (strcmp(id, GW_INSTANCE_ID) == 0) return &instance;
  if (strcmp(id, GW_FILTER_ID) == 0) return &filter;
  return NULL;
}

GW_EXPORT const gw_plugin gw_plugin_entry = {
    sizeof(gw_plugin), GW_ABI, gw_plugin_manifest, init, finish, get_interface};
