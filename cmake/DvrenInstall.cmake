# The exported package: find_package(dvren) gives dvren::hotpath, dvren::engine, dvren::io, dvren::client.

include(CMakePackageConfigHelpers)
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/dvrenConfig.cmake.in" "${CMAKE_BINARY_DIR}/dvrenConfig.cmake"
  INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/dvren")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/dvrenConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/dvrenConfig.cmake" "${CMAKE_BINARY_DIR}/dvrenConfigVersion.cmake"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/dvren")
install(EXPORT dvrenTargets NAMESPACE dvren:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/dvren")
