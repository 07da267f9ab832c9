# SPDX-License-Identifier: MIT
# Install: headers, both libraries, a CMake package (llfree::shared, llfree::static), pkg-config files.
# Everything is relative to the place of the installed files, so that the tree can be moved.
include(CMakePackageConfigHelpers)

install(TARGETS llfree_shared llfree_static EXPORT llfree-targets
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/llfree DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
	FILES_MATCHING PATTERN "*.h" PATTERN "zones.h" EXCLUDE)

# A static library with nothing but the compiler's intermediate code links with that compiler version only.
if(LLFREE_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
	target_compile_options(llfree_static PRIVATE -ffat-lto-objects)
elseif(LLFREE_LTO)
	install(CODE "message(WARNING \"libllfree.a was built with LLFREE_LTO by a compiler other than GCC: \"
		\"it links with the same compiler only\")")
endif()

# Zones: a component with targets, header and pkg-config files of its own.
if(LLFREE_BUILD_ZONES)
	install(TARGETS llfree_zones_shared llfree_zones_static EXPORT llfree-zones-targets
		LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
		ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
	install(FILES ${PROJECT_SOURCE_DIR}/include/llfree/zones.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/llfree)
	if(LLFREE_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
		target_compile_options(llfree_zones_static PRIVATE -ffat-lto-objects)
	endif()
	install(EXPORT llfree-zones-targets NAMESPACE llfree::
		DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/llfree)
endif()

set(llfree_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/llfree)
install(EXPORT llfree-targets NAMESPACE llfree:: DESTINATION ${llfree_package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/llfree-config.cmake.in
	${PROJECT_BINARY_DIR}/package/llfree-config.cmake INSTALL_DESTINATION ${llfree_package_dir})
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/llfree-config-version.cmake
	VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/llfree-config.cmake
	${PROJECT_BINARY_DIR}/package/llfree-config-version.cmake DESTINATION ${llfree_package_dir})

# pkg-config: paths relative to the .pc file where the destination is relative to the prefix.
set(llfree_pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
	file(RELATIVE_PATH llfree_pc_up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
	string(REGEX REPLACE "/$" "" llfree_pc_up "${llfree_pc_up}")
	set(llfree_pc_prefix "\${pcfiledir}/${llfree_pc_up}")
endif()
foreach(dir LIBDIR INCLUDEDIR)
	string(TOLOWER ${dir} lower)
	set(llfree_pc_${lower} "\${prefix}/${CMAKE_INSTALL_${dir}}")
	if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
		set(llfree_pc_${lower} "${CMAKE_INSTALL_${dir}}")
	endif()
endforeach()
set(llfree_pc_kinds llfree llfree-static)
if(LLFREE_BUILD_ZONES)
	list(APPEND llfree_pc_kinds llfree-zones llfree-zones-static)
endif()
foreach(kind ${llfree_pc_kinds})
	set(llfree_pc_name ${kind})
	string(REPLACE "-static" "" llfree_pc_library ${kind})
	set(llfree_pc_requires "")
	if(kind MATCHES "zones")
		string(REPLACE "-zones" "" llfree_pc_requires ${kind})
	endif()
	if(kind MATCHES "static")
		set(llfree_pc_libs "\${libdir}/lib${llfree_pc_library}.a")
		set(llfree_pc_cflags " -DLLFREE_STATIC")
		if(kind MATCHES "zones")
			string(APPEND llfree_pc_requires " hwloc liburcu-bp")
			string(APPEND llfree_pc_libs " -pthread")
		endif()
	else()
		set(llfree_pc_libs "-L\${libdir} -l${llfree_pc_library}")
		set(llfree_pc_cflags "")
	endif()
	configure_file(${CMAKE_CURRENT_LIST_DIR}/llfree.pc.in ${PROJECT_BINARY_DIR}/package/${kind}.pc @ONLY)
	install(FILES ${PROJECT_BINARY_DIR}/package/${kind}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
