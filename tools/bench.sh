#!/usr/bin/env bash
# Builds the benchmarks and runs them on a machine that should have nothing else to do; every answer is verified against
# the peers before it is timed. Writes benchmarks/results/<stage>.json and prints our times against the peers'.
#
#   tools/bench.sh [STAGE]...       stages: split eplb optimize remap replay python; default all
#   BENCH_REPETITIONS=9 BENCH_MIN_TIME=0.5 tools/bench.sh
set -euo pipefail
cd "$(dirname "$0")/.."
stages=${*:-split eplb optimize remap replay python}
repetitions=${BENCH_REPETITIONS:-9}
min_time=${BENCH_MIN_TIME:-0.1}

mkdir -p benchmarks/results
tools/setup.sh bench

# bench_cpp STAGE: benchmarks/<stage>_bench.cpp
bench_cpp() {
  local stage=$1 raw=build/bench/$1.json cpu compiler
  cmake --workflow --preset bench
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' build/bench/CMakeCache.txt)
  "build/bench/benchmarks/bench_$stage" --benchmark_out="$raw" --benchmark_out_format=json \
    --benchmark_repetitions="$repetitions" --benchmark_min_time="$min_time" \
    --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
    --benchmark_context=cpu="$(echo "$cpu" | tr ',=' '  ')" \
    --benchmark_context=compiler="$("$compiler" -dumpfullversion -dumpversion)"
  python3 benchmarks/keep_medians.py "$raw" "benchmarks/results/$stage.json"
}

# bench_python: what a call from Python adds; with torch where the tests have installed it, else with NumPy alone.
bench_python() {
  local venv=venv-torch
  tools/setup.sh python
  source tools/python_env.sh
  build_wheel
  [[ -d build/$venv ]] || { venv=venv-numpy && make_venv "$venv" python/tests/requirements.txt; }
  install_wheel "$venv"
  "build/$venv/bin/python" benchmarks/python_overhead.py benchmarks/results/python.json
}

for stage in $stages; do
  if [[ $stage == python ]]; then
    bench_python
  else
    bench_cpp "$stage"
  fi
done

case " $stages " in
  *" split "*) python3 benchmarks/compare.py benchmarks/results/split.json ;;
esac
