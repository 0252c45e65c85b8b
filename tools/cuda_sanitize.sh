#!/usr/bin/env bash
# All tests labelled cuda under compute-sanitizer's memcheck, synccheck and racecheck, one after the other. The tests
# repeat little of what they repeat (LPLB_CUDA_TEST_REPETITIONS=few), enough for every kernel: seconds for the first two
# tools; a minute for racecheck, but for the tests of the search (OptimizeCuda), which take it more than two. Runs all
# tools even when one finds something, and fails where one does, a test fails, or a test is skipped. Needs a GPU.
#
#   tools/cuda_sanitize.sh [TEST_BINARY]      default build/cuda-debug/tests/test_cuda, which knows its source lines
set -euo pipefail
cd "$(dirname "$0")/.."
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
binary=${1:-build/cuda-debug/tests/test_cuda}
export LPLB_CUDA_TEST_REPETITIONS=few
failed=0

# run_tool TOOL: a warning of racecheck does not change the exit status of compute-sanitizer, its summary counts it.
run_tool() {
  local log=build/sanitize-$1.log begin=$SECONDS status=clean
  echo "== sanitize: $1"
  "$sanitizer" --tool "$1" --error-exitcode 1 "$binary" 2>&1 | tee "$log" || status="failed"
  grep -qE '^=+ (ERROR SUMMARY: 0 errors|RACECHECK SUMMARY: 0 hazards)' "$log" || status="found something"
  ! grep -q '^\[  SKIPPED \]' "$log" || status="tests skipped"
  echo "== sanitize: $1: $status, $((SECONDS - begin)) s"
  [[ $status == clean ]] || failed=1
}

mkdir -p build
for tool in memcheck synccheck racecheck; do
  run_tool "$tool"
done
exit "$failed"
