#!/usr/bin/env bash
# Builds the wheel and runs the Python tests on it, with NumPy alone and with torch on the CPU, both at the same time.
# torch is 0.54 GB to download the first time; TORCH=0 leaves it out. JUnit files go to the folder given, by default
# build/test-results.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/python_env.sh

tools/setup.sh python
results=${1:-build/test-results}
mkdir -p "$results"

# run_pytest NAME ARGUMENT...
run_pytest() {
  local name=$1
  shift
  "build/venv-$name/bin/python" -m pytest --quiet -p no:cacheprovider --junit-xml="$results/python-$name.xml" "$@"
}

echo "== python: build the wheel"
build_wheel
make_venv venv-numpy python/tests/requirements.txt
install_wheel venv-numpy
run_pytest numpy >build/test-numpy.log 2>&1 &
numpy_tests=$!

failed=0
if [[ ${TORCH:-1} != 0 ]]; then
  echo "== python: test with torch"
  make_venv venv-torch python/tests/requirements.txt
  install_wheel venv-torch
  build/venv-torch/bin/python tools/install_torch_cpu.py
  # What the memory tests call does not know torch.
  run_pytest torch --ignore python/tests/test_memory.py || failed=1
fi
echo "== python: test with NumPy alone"
wait "$numpy_tests" || failed=1
cat build/test-numpy.log
exit "$failed"
