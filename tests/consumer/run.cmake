# Makes one consumer project from nothing and runs its tests. KIND is
#   find_package       against an installed lplb::lplb and lplb::io
#   find_package_core  against an install of the core alone, whose program may need nothing but the C++ runtime
#   add_subdirectory   with the source tree of lplb inside
set(work ${WORK_DIR}/${KIND})
file(REMOVE_RECURSE ${work})
set(common -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(install_lplb build_io)
  run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${work}/lplb ${common} -DCMAKE_INSTALL_PREFIX=${work}/prefix
    -DLPLB_BUILD_IO=${build_io} -DLPLB_BUILD_CLI=OFF -DLPLB_BUILD_TESTS=OFF -DLPLB_CUDA=OFF)
  run(${CMAKE_COMMAND} --build ${work}/lplb --target install)
  foreach(file include/lplb/solve.h share/licenses/lplb/LICENSE)
    if(NOT EXISTS ${work}/prefix/${file})
      message(FATAL_ERROR "${file} was not installed")
    endif()
  endforeach()
  # Without its build tree, an installed package that still points there fails.
  file(REMOVE_RECURSE ${work}/lplb)
endfunction()

if(KIND STREQUAL "add_subdirectory")
  set(project add_subdirectory)
  set(arguments -DLPLB_SOURCE_DIR=${SOURCE_DIR} -DLPLB_CUDA=OFF)
else()
  set(project find_package)
  set(expect_io ON)
  if(KIND STREQUAL "find_package_core")
    set(expect_io OFF)
  endif()
  install_lplb(${expect_io})
  set(arguments -DCMAKE_PREFIX_PATH=${work}/prefix -DEXPECT_IO=${expect_io})
endif()

run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/consumer/${project} -B ${work}/consumer ${common} ${arguments})
run(${CMAKE_COMMAND} --build ${work}/consumer)
run(${CMAKE_CTEST_COMMAND} --test-dir ${work}/consumer --output-on-failure --no-tests=error)

if(KIND STREQUAL "find_package_core")
  execute_process(COMMAND readelf -d ${work}/consumer/consumer OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "NEEDED[^\n]*" needed "${dynamic}")
  foreach(line ${needed})
    if(NOT line MATCHES "lib(stdc\\+\\+|m|gcc_s|c|pthread)\\.so|ld-linux")
      message(FATAL_ERROR "the core library brings in something else than the C++ runtime: ${line}")
    endif()
  endforeach()
endif()
