#!/usr/bin/env bash
# Line coverage of src/ by the tests (all but the slow ones). Prints a line a file and the total; fails below 95%.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh coverage
cmake --preset coverage -Wno-dev
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
ctest --test-dir build/coverage --output-on-failure --no-tests=error --parallel "$(nproc)" \
  --label-exclude 'slow|consumer|tools'
gcovr --root . --filter src/ --exclude-throw-branches --print-summary --fail-under-line 95 build/coverage
