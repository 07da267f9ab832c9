# SPDX-License-Identifier: MIT
# Warnings, sanitizers, coverage: one interface target that everything of this project links privately.
add_library(llfree_options INTERFACE)
target_compile_options(llfree_options INTERFACE -Wall -Wextra $<$<BOOL:${LLFREE_WERROR}>:-Werror>
	$<$<COMPILE_LANGUAGE:C>:-Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes>)
if(LLFREE_SANITIZE)
	target_compile_options(llfree_options INTERFACE -fsanitize=${LLFREE_SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all -g)
	target_link_options(llfree_options INTERFACE -fsanitize=${LLFREE_SANITIZE})
endif()
if(LLFREE_COVERAGE)
	target_compile_options(llfree_options INTERFACE --coverage -O0 -g)
	target_link_options(llfree_options INTERFACE --coverage)
endif()
if(LLFREE_LTO)
	set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
