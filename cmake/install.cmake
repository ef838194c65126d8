# `cmake --install` and the Debian packages: `gateway` (program, plugins, production configuration) and
# `gateway-dev` (what a plugin's author needs: headers, CMake package, pkg-config, fake host, template).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(sdk_dir ${CMAKE_INSTALL_DATADIR}/gateway)
set(sdk_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/GatewaySDK)

# ---- gateway
install(TARGETS gateway RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT gateway)
# The program looks for them here, whatever the architecture's library folder is called.
get_property(plugins GLOBAL PROPERTY GW_SHIPPED_PLUGINS)
list(REMOVE_ITEM plugins hello)  # the template
install(TARGETS ${plugins} LIBRARY DESTINATION lib/gateway/plugins COMPONENT gateway)
get_filename_component(libjwt_file ${libjwt_library} REALPATH)
if(libjwt_file MATCHES "^${GW_DEPS}/")
  install(FILES ${libjwt_file} DESTINATION lib/gateway/plugins RENAME libjwt.so.2 COMPONENT gateway)
endif()
install(FILES deploy/gateway.toml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/gateway COMPONENT gateway)
install(FILES deploy/gateway.service deploy/gateway.socket DESTINATION lib/systemd/system COMPONENT gateway)
file(GLOB manuals RELATIVE ${CMAKE_SOURCE_DIR}/plugins plugins/*/README.md)
foreach(manual ${manuals})
  get_filename_component(plugin ${manual} DIRECTORY)
  install(FILES plugins/${manual} DESTINATION ${CMAKE_INSTALL_DOCDIR}/plugins RENAME ${plugin}.md COMPONENT gateway)
endforeach()
install(DIRECTORY messages DESTINATION ${sdk_dir} COMPONENT gateway)
install(FILES deploy/nginx.conf README.md CHANGELOG.md LICENSE docs/configuration.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT gateway)
# Where Debian looks for the licence of each package.
foreach(package gateway gateway-dev)
  install(FILES LICENSE DESTINATION share/doc/${package} RENAME copyright COMPONENT ${package})
endforeach()

# ---- gateway-dev
install(DIRECTORY sdk/include/gateway DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT gateway-dev)
install(FILES sdk/README.md DESTINATION share/doc/gateway-dev COMPONENT gateway-dev)
install(DIRECTORY sdk/template sdk/examples DESTINATION ${sdk_dir} COMPONENT gateway-dev)
install(FILES cmake/plugin.map DESTINATION ${sdk_dir} COMPONENT gateway-dev)
install(TARGETS gw_sdk EXPORT GatewaySDK COMPONENT gateway-dev)
add_custom_target(product DEPENDS gateway ${plugins})  # what is installed, without the tests
if(TARGET gw_testing)
  add_dependencies(product gateway-plugin-check gw_settings gw_testing)
  install(TARGETS gateway-plugin-check RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT gateway-dev)
  install(TARGETS gw_settings gw_testing EXPORT GatewaySDK
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/gateway COMPONENT gateway-dev)
  install(FILES sdk/testing/fake_host.h sdk/testing/replay.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gateway-sdk/testing
    COMPONENT gateway-dev)
endif()
install(EXPORT GatewaySDK NAMESPACE GatewaySDK:: FILE GatewaySDKTargets.cmake DESTINATION ${sdk_cmake_dir}
  COMPONENT gateway-dev)
configure_package_config_file(cmake/GatewaySDKConfig.cmake.in ${CMAKE_BINARY_DIR}/GatewaySDKConfig.cmake
  INSTALL_DESTINATION ${sdk_cmake_dir} PATH_VARS sdk_dir)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/GatewaySDKConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/GatewaySDKConfig.cmake ${CMAKE_BINARY_DIR}/GatewaySDKConfigVersion.cmake
  DESTINATION ${sdk_cmake_dir} COMPONENT gateway-dev)
configure_file(cmake/gateway-sdk.pc.in ${CMAKE_BINARY_DIR}/gateway-sdk.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/gateway-sdk.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT gateway-dev)

# ---- Debian packages: cpack -G DEB
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME gateway)
set(CPACK_PACKAGE_CONTACT "the gateway's engineers <gateway@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Gateway with a fair waiting queue for ticket sales")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL gateway gateway-dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_GATEWAY_PACKAGE_NAME gateway)
set(CPACK_DEBIAN_GATEWAY_PACKAGE_SECTION net)
set(CPACK_DEBIAN_GATEWAY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_GATEWAY_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/conffiles)
# What is shipped beside the plugins is found there.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${GW_PLUGIN_DIR})
set(CPACK_DEBIAN_GATEWAY-DEV_PACKAGE_NAME gateway-dev)
set(CPACK_DEBIAN_GATEWAY-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_GATEWAY-DEV_DESCRIPTION "What plugins of the gateway are built and tested with")
set(CPACK_DEBIAN_GATEWAY-DEV_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_GATEWAY-DEV_PACKAGE_DEPENDS
  "nlohmann-json3-dev, libtomlplusplus-dev, libgtest-dev, pkg-config | pkgconf")
set(CPACK_DEBIAN_GATEWAY-DEV_PACKAGE_RECOMMENDS "gateway, cmake, g++ | c++-compiler")
include(CPack)
