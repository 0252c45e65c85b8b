# Each header compiles on its own: one source file a header that includes nothing else, built with the tests.
file(GLOB headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/include/lplb/*.h ${PROJECT_SOURCE_DIR}/src/*/*.h)
set(header_sources)
foreach(header ${headers})
  string(REGEX REPLACE "^(include|src)/" "" header_path ${header})
  set(header_source ${CMAKE_CURRENT_BINARY_DIR}/check_headers/${header_path}.cpp)
  file(CONFIGURE OUTPUT ${header_source} CONTENT "#include \"${header_path}\"\n")
  list(APPEND header_sources ${header_source})
endforeach()
add_library(check_headers OBJECT ${header_sources})
target_link_libraries(check_headers PRIVATE lplb::lplb lplb::io lplb_options)
target_include_directories(check_headers PRIVATE ${PROJECT_SOURCE_DIR}/src)
