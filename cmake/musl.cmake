# SPDX-License-Identifier: MIT
# Toolchain: musl instead of glibc, on the machine that builds; libraries from tools/musl-sysroot. In C alone: Debian has
# no C++ library for musl.
if(NOT DEFINED ENV{LLFREE_MUSL_SYSROOT})
	execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../tools/musl-sysroot OUTPUT_VARIABLE root
		OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
	if(NOT status EQUAL 0)
		message(FATAL_ERROR "tools/musl-sysroot failed: its messages are above")
	endif()
	set(ENV{LLFREE_MUSL_SYSROOT} "${root}")
endif()
set(CMAKE_C_COMPILER $ENV{LLFREE_MUSL_SYSROOT}/bin/musl-gcc)
set(CMAKE_FIND_ROOT_PATH $ENV{LLFREE_MUSL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} $ENV{LLFREE_MUSL_SYSROOT}/lib/pkgconfig)
set(LLFREE_CXX OFF CACHE BOOL "Build what is in C++")
