#!/usr/bin/env bash
# All tests but the slow ones: everything under address and undefined-behaviour sanitizers, then a bounded run of every
# fuzz target (clang), then what uses threads under the thread sanitizer, then the Python package with NumPy alone and
# with torch (TORCH=0 leaves torch out). The last line is the sum of all.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh test
results=build/test-results
rm -rf "$results"
mkdir -p "$results"
failed=0

# run_tests PRESET BUILD_TARGET CTEST_FILTER...
run_tests() {
  local preset=$1 target=$2
  shift 2
  echo "== $preset: configure and build"
  cmake --preset "$preset" -Wno-dev
  cmake --build --preset "$preset" --target "$target"
  echo "== $preset: test"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --parallel "$(nproc)" \
    --output-junit "$PWD/$results/$preset.xml" "$@" || failed=1
}

run_tests dev all --label-exclude slow
run_tests fuzz all --label-exclude slow
run_tests tsan tests_threads --label-regex threads --label-exclude slow
tools/test_python.sh "$results" || failed=1

python3 tools/sum_tests.py "$results"/*.xml || failed=1
exit "$failed"
