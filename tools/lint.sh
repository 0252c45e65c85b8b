#!/usr/bin/env bash
# Formatting, direction of includes, the Python package, and clang-tidy over src, include and cli (with clang's warnings
# as errors). Runs all even when one fails; clang-tidy looks again only at what has changed since its last good run.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh lint
failed=0
echo "== lint: format"
git ls-files -z '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 clang-format --dry-run -Werror || failed=1
echo "== lint: includes"
python3 tools/check_includes.py || failed=1
echo "== lint: python"
tools/lint_python.sh || failed=1
echo "== lint: clang-tidy"
cmake --preset tidy -Wno-dev
cmake --build --preset tidy -- -k 0 || failed=1
if ((failed)); then
  echo "lint: see above"
else
  echo "lint: clean"
fi
exit "$failed"
