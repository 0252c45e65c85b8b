# What `cmake --install` writes: libraries, headers, the command, the licence, and a package for find_package(lplb) with
# the targets lplb::lplb, lplb::cuda and, where it was built, lplb::io.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lplb)

install(TARGETS lplb lplb_cuda EXPORT lplbTargets)
if(LPLB_BUILD_IO)
  install(TARGETS lplb_io EXPORT lplbTargets)
endif()
if(LPLB_BUILD_CLI)
  install(TARGETS lplb_cli)
endif()
install(DIRECTORY include/lplb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/lplb)

install(EXPORT lplbTargets NAMESPACE lplb:: DESTINATION ${package_dir})
configure_package_config_file(cmake/lplbConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/lplbConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change interfaces.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/lplbConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lplbConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/lplbConfigVersion.cmake
  DESTINATION ${package_dir})
