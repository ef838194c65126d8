// SPDX-License-Identifier: Apache-2.0
//
// The smallest plugin in plain C style, built once for each way in which loading may fail;
// GW_TEST_FAULT names the way. Without one it is a plugin that loads.
#include <gateway/plugin.h>

#include <cstdint>
#include <string>

#define FAULT_NONE 0
#define FAULT_ABI 1
#define FAULT_SMALL 2
#define FAULT_MANIFEST 3
#define FAULT_INIT 4
#define FAULT_MISSING 5
#define FAULT_NO_INSTANCE 6
#define FAULT_NO_TABLE 7
#define FAULT_STUCK 8
#define FAULT_NEWER 9
#define FAULT_PINNED 10
#define FAULT_COMPANION 11  // none: it asks for a library that lies beside it
#define FAULT_AHEAD 12      // none: as if built with a later header, whose tables are longer

#if GW_TEST_FAULT == FAULT_MISSING
#define REQUIRES R"(requires = ["gw.clock/1", "gw.telepathy/1", "gw.tea/2"])"
#elif GW_TEST_FAULT == FAULT_AHEAD
#define REQUIRES "requires = ['gw.clock/1']\noptional = ['gw.telepathy/1', 'gw.clock/2']"
#else
#define REQUIRES R"(requires = ["gw.clock/1"])"
#endif
#if GW_TEST_FAULT == FAULT_NO_TABLE
#define PROVIDES R"(provides = ["gw.instance/1", "gw.router/1"])"
#else
#define PROVIDES R"(provides = ["gw.instance/1"])"
#endif
#if GW_TEST_FAULT == FAULT_NEWER
#define ABI R"(abi = "1.9")"
#else
#define ABI R"(abi = "1.0")"
#endif
#if GW_TEST_FAULT == FAULT_PINNED
#define PINNED "pinned = true"
#else
#define PINNED "pinned = false"
#endif

GW_PLUGIN_MANIFEST(
    "id = \"faulty\"\nversion = \"1.0.0\"\nlicence = \"Apache-2.0\"\n"
    "summary = \"A plugin for tests\"\n" ABI "\n" REQUIRES "\n" PROVIDES "\n" PINNED "\n");

#if GW_TEST_FAULT == FAULT_COMPANION
extern "C" int gw_test_companion();
#endif

namespace {

#if GW_TEST_FAULT == FAULT_STUCK
// A destructor that is still to run in a thread keeps a library mapped, as glibc has it.
struct Late {
  ~Late() { text += "x"; }
  std::string text;
};
thread_local Late late;
#endif

gw_status init(const gw_host* host) {
#if GW_TEST_FAULT == FAULT_STUCK
  late.text = "kept";
#elif GW_TEST_FAULT == FAULT_COMPANION
  if (gw_test_companion() != 1) return GW_ERROR;
#endif
  return GW_TEST_FAULT == FAULT_INIT || host->abi != GW_ABI ? GW_ERROR : GW_OK;
}

gw_status create(gw_context*, const gw_config*, void** instance) {
  *instance = nullptr;
  return GW_OK;
}
void destroy(void*) {}
gw_status create_part(void*, gw_worker*, void** part) {
  *part = nullptr;
  return GW_OK;
}
void destroy_part(void*) {}

constexpr std::uint32_t kMore = GW_TEST_FAULT == FAULT_AHEAD ? 64 : 0;  // bytes of a later edition

constexpr gw_instance_api instance_api = {
    sizeof(gw_instance_api) + kMore, create, destroy, create_part, destroy_part, nullptr, nullptr};

const void* get_interface(const char* id) {
  if (GW_TEST_FAULT != FAULT_NO_INSTANCE && std::string(id) == GW_INSTANCE_ID) return &instance_api;
  return nullptr;
}

}  // namespace

extern "C" GW_EXPORT const gw_plugin gw_plugin_entry = {
    GW_TEST_FAULT == FAULT_SMALL ? 16 : sizeof(gw_plugin) + kMore,
    GW_TEST_FAULT == FAULT_ABI     ? (GW_ABI_MAJOR + 1) << 16
    : GW_TEST_FAULT == FAULT_AHEAD ? GW_ABI + 9
                                   : GW_ABI,
    GW_TEST_FAULT == FAULT_MANIFEST ? "id = \"another\"" : gw_plugin_manifest,
    init,
    nullptr,
    get_interface};
