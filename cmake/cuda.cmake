# Whether the CUDA stages are built. LPLB_CUDA=AUTO builds them where a toolkit is found that is new enough, ON demands
# that, OFF leaves them out. Sets LPLB_HAS_CUDA. Without it lplb::cuda is the same interface over src/cuda/no_cuda.cpp.
set(LPLB_CUDA AUTO CACHE STRING "Build the CUDA stages: AUTO (where nvcc is found), ON or OFF")
set_property(CACHE LPLB_CUDA PROPERTY STRINGS AUTO ON OFF)
# Machine code for each but the last, which also keeps its PTX for what comes after.
set(LPLB_CUDA_ARCHITECTURES "80-real;90-real;100" CACHE STRING "CMAKE_CUDA_ARCHITECTURES of the CUDA stages")
option(LPLB_CUDA_LINEINFO "Keep source lines in device code, for compute-sanitizer and the profilers" OFF)

set(LPLB_CUDA_MINIMUM 12.6)
set(LPLB_HAS_CUDA OFF)
if(NOT LPLB_CUDA)
  return()
endif()

# Why the toolkit cannot be used, empty when it can.
set(reason "")
find_program(LPLB_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATH_SUFFIXES bin PATHS /usr/local/cuda/bin)
if(NOT LPLB_NVCC)
  set(reason "no nvcc on PATH or in /usr/local/cuda/bin")
else()
  execute_process(COMMAND ${LPLB_NVCC} --version OUTPUT_VARIABLE nvcc_version ERROR_QUIET)
  string(REGEX MATCH "release ([0-9]+\\.[0-9]+)" nvcc_version "${nvcc_version}")
  set(nvcc_version "${CMAKE_MATCH_1}")
  if(nvcc_version VERSION_LESS LPLB_CUDA_MINIMUM)
    set(reason "${LPLB_NVCC} is version ${nvcc_version}, and ${LPLB_CUDA_MINIMUM} or newer is needed")
  endif()
endif()

if(reason AND LPLB_CUDA STREQUAL "AUTO")
  message(STATUS "CUDA stages: left out (${reason})")
  return()
elseif(reason)
  message(FATAL_ERROR "LPLB_CUDA=ON: ${reason}. Set LPLB_NVCC to the compiler of a newer toolkit, or LPLB_CUDA=OFF: "
    "the CPU build is complete without it.")
endif()

set(CMAKE_CUDA_ARCHITECTURES ${LPLB_CUDA_ARCHITECTURES})
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${LPLB_NVCC})
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
if(LPLB_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${LPLB_CCACHE})
endif()
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # nvcc takes C++20 since 12.0, which CMake 3.25.1 does not know yet.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
find_package(CUDAToolkit ${LPLB_CUDA_MINIMUM} REQUIRED)
set(LPLB_HAS_CUDA ON)
message(STATUS "CUDA stages: ${LPLB_NVCC} ${nvcc_version}, architectures ${LPLB_CUDA_ARCHITECTURES}")

# constexpr functions are device functions too: the scalar rules that both sides share need no macro.
add_library(lplb_cuda_options INTERFACE)
target_compile_options(lplb_cuda_options INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra>)
if(LPLB_WERROR)
  target_compile_options(lplb_cuda_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()
if(LPLB_CUDA_LINEINFO)
  target_compile_options(lplb_cuda_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo>)
endif()
