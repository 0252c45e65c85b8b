# lplb_oracles: what the headers of tests/support need that name LEMON, COIN CLP and GLPK. Tests and benchmarks only.
include_guard(GLOBAL)
find_library(LEMON_LIBRARY lemon REQUIRED)
find_library(CLP_LIBRARY Clp REQUIRED)
find_library(COINUTILS_LIBRARY CoinUtils REQUIRED)
find_library(GLPK_LIBRARY glpk REQUIRED)
find_path(COIN_INCLUDE_DIR ClpSimplex.hpp PATH_SUFFIXES coin REQUIRED)

add_library(lplb_oracles INTERFACE)
target_include_directories(lplb_oracles SYSTEM INTERFACE ${COIN_INCLUDE_DIR})
target_link_libraries(lplb_oracles INTERFACE ${LEMON_LIBRARY} ${CLP_LIBRARY} ${COINUTILS_LIBRARY} ${GLPK_LIBRARY})
