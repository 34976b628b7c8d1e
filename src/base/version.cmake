# Writes the version header; touches it only when the source state changed.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE HASH OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT HASH)
  set(HASH "unknown")
endif()
set(TEXT "#pragma once\n#define KOMORI_VERSION \"${VERSION}\"\n#define KOMORI_GIT_HASH \"${HASH}\"\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} OLD)
endif()
if(NOT "${OLD}" STREQUAL "${TEXT}")
  file(WRITE ${OUTPUT} "${TEXT}")
endif()
