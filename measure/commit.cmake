# SPDX-License-Identifier: MIT
# Writes MEASURE_COMMIT: the commit that is built, with "-dirty" when the tree differs from it; "unknown" outside of git.
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=* WORKING_DIRECTORY ${SOURCE}
	OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
	set(commit "unknown")
endif()
file(WRITE ${OUTPUT}.new "#define MEASURE_COMMIT \"${commit}\"\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUTPUT}.new ${OUTPUT})
