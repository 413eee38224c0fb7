# Warnings and sanitizers travel with this target; there are no global flags.
add_library(vivarium_options INTERFACE)
target_include_directories(vivarium_options INTERFACE "${PROJECT_SOURCE_DIR}")
# GCC 12 sees ghosts once it optimises: uninitialised strings in std::variant, dangling pointers where
# a scope guard resets them.
set(_warnings -Wall -Wextra -Werror -Wno-error=deprecated-declarations)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND _warnings -Wno-maybe-uninitialized -Wno-dangling-pointer)
endif()
target_compile_options(vivarium_options INTERFACE ${_warnings})
if(VIVARIUM_SANITIZE STREQUAL "asan")
  # -fno-sanitize=null: CAF's own headers bind a reference to null in its registration of types.
  set(_sanitize -fsanitize=address,undefined -fno-sanitize=null -fno-sanitize-recover=all
                -fno-omit-frame-pointer)
elseif(VIVARIUM_SANITIZE STREQUAL "tsan")
  set(_sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(VIVARIUM_SANITIZE)
  message(FATAL_ERROR "VIVARIUM_SANITIZE is '${VIVARIUM_SANITIZE}': expected asan, tsan or nothing")
endif()
if(_sanitize)
  target_compile_options(vivarium_options INTERFACE ${_sanitize})
  target_link_options(vivarium_options INTERFACE ${_sanitize})
endif()
# The launcher and the module that CPython loads run inside the jail, where a sanitizer runtime can
# neither be found nor work (no /proc, RLIMIT_AS): they take the warnings alone.
add_library(vivarium_jailed_options INTERFACE)
target_include_directories(vivarium_jailed_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(vivarium_jailed_options INTERFACE ${_warnings})
