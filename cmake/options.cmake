# Language level and build defaults, then warnings, sanitizers and coverage for every target of the project and for none
# of its users.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# A library must not choose the build type, compiler cache or compilation database of the project that embeds it.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  find_program(LPLB_CCACHE ccache)
  if(LPLB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${LPLB_CCACHE})
  endif()
endif()

add_library(lplb_options INTERFACE)
# For C++ alone: what nvcc takes instead is in cmake/cuda.cmake.
function(lplb_add_cxx_options)
  target_compile_options(lplb_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${ARGN}>")
endfunction()
# No fused multiply-adds where the source has none: the same numbers on every machine.
lplb_add_cxx_options(-ffp-contract=off)
lplb_add_cxx_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overlaps in std::string operator+ that are not there (GCC bug 105651).
  lplb_add_cxx_options(-Wno-restrict)
endif()
if(LPLB_WERROR)
  lplb_add_cxx_options(-Werror)
endif()
if(LPLB_SANITIZE)
  lplb_add_cxx_options(-fsanitize=${LPLB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lplb_options INTERFACE -fsanitize=${LPLB_SANITIZE})
endif()
if(LPLB_COVERAGE)
  lplb_add_cxx_options(--coverage -fprofile-update=atomic)
  target_link_options(lplb_options INTERFACE --coverage)
endif()
