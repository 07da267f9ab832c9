# SPDX-License-Identifier: MIT
# Toolchain: aarch64 Linux from another machine, with Debian's cross compiler and the sysroot of tools/arm64-sysroot.
# Programs built with it run under tools/arm64-run.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

if(DEFINED ENV{LLFREE_ARM64_SYSROOT})
	set(CMAKE_SYSROOT $ENV{LLFREE_ARM64_SYSROOT})
elseif(DEFINED ENV{XDG_CACHE_HOME})
	set(CMAKE_SYSROOT $ENV{XDG_CACHE_HOME}/llfree/arm64-sysroot)
else()
	set(CMAKE_SYSROOT $ENV{HOME}/.cache/llfree/arm64-sysroot)
endif()
if(NOT EXISTS ${CMAKE_SYSROOT}/usr/include)
	message(FATAL_ERROR "no libraries for aarch64 in ${CMAKE_SYSROOT}: run tools/arm64-sysroot first")
endif()

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
if(NOT DEFINED CMAKE_FIND_ROOT_PATH_MODE_PACKAGE) # BOTH: also a package that was just built
	set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
endif()
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
