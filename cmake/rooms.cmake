# How rooms, plugins and tests are built. A room's sources are the *.cc and *.c beside its CMakeLists.txt;
# *_test.cc are its unit tests.

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Werror -fvisibility=hidden
                    $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique> -fno-strict-aliasing -fstack-protector-strong
                    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
add_compile_definitions($<$<CONFIG:Release>:_FORTIFY_SOURCE=2> GW_VERSION="${PROJECT_VERSION}")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
if(GW_SANITIZE)
  # LeakSanitizer finds thread_locals of dlopen()ed libraries by a guess at glibc's layout, and now and then scans an
  # address that is none and dies of it. Without the interceptor it sees static TLS only.
  set(GW_TEST_ENVIRONMENT TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/tsan.supp
                          ASAN_OPTIONS=intercept_tls_get_addr=0)
  add_compile_definitions(GW_SANITIZED)
  add_compile_options(-fsanitize=${GW_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GW_SANITIZE})
endif()
if(GW_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
add_link_options(-Wl,-z,relro,-z,now)

function(gw_sources out)
  file(GLOB sources CONFIGURE_DEPENDS *.cc *.c)
  list(FILTER sources EXCLUDE REGEX "(_test\\.cc|/main\\.cc|/plugin\\.cc)$")
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# A test is compiled once and run for a second: gmock is read once for all of them, and little is optimized.
set(GW_TEST_OPTIONS $<$<CONFIG:Release>:-O1> $<$<CONFIG:Sanitize>:-O0>)
if(BUILD_TESTING)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "int main() {}\n")
  add_executable(test_headers ${CMAKE_BINARY_DIR}/test_headers.cc)
  target_link_libraries(test_headers PRIVATE GTest::gmock)
  target_precompile_headers(test_headers PRIVATE <gmock/gmock.h>)
  target_compile_options(test_headers PRIVATE ${GW_TEST_OPTIONS})
endif()

# gw_tests(name LINK targets...): one test program of the *_test.cc here.
function(gw_tests name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc)
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${arg_LINK} GTest::gmock_main)
    target_precompile_headers(${name}_test REUSE_FROM test_headers)
    target_compile_options(${name}_test PRIVATE ${GW_TEST_OPTIONS})
    set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 600 ENVIRONMENT "${GW_TEST_ENVIRONMENT}")
  endif()
endfunction()

# gw_room(name LINK targets...): the static library gw_<name> and its tests.
# Headers are included as "<folder>/<header>.h", from core/ or sdk/.
function(gw_room name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  gw_sources(sources)
  add_library(gw_${name} STATIC ${sources})
  target_link_libraries(gw_${name} PUBLIC ${arg_LINK})
  target_include_directories(gw_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/..>
    $<INSTALL_INTERFACE:include/gateway-sdk>)
  gw_tests(${name} LINK gw_${name})
endfunction()

# gw_plugin(name LINK targets...): plugins/<name>.so of plugin.cc and the plain classes beside
# it, which are also the library gw_plugin_<name> for the unit tests. Private dependencies stay private.
function(gw_plugin name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  gw_sources(sources)
  add_library(gw_plugin_${name} OBJECT ${sources} plugin.cc)
  target_link_libraries(gw_plugin_${name} PUBLIC gw_sdk ${arg_LINK})
  target_include_directories(gw_plugin_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  add_library(${name} MODULE)
  set_property(GLOBAL APPEND PROPERTY GW_SHIPPED_PLUGINS ${name})
  target_link_libraries(${name} PRIVATE gw_plugin_${name})
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${GW_PLUGIN_DIR}
    BUILD_RPATH "$ORIGIN" LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/plugin.map)
  target_link_options(${name} PRIVATE
    -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map -Wl,--exclude-libs,ALL)
  if(NOT GW_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  gw_tests(plugin_${name} LINK gw_plugin_${name} gw_testing)
endfunction()
