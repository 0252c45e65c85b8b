#!/usr/bin/env bash
# Builds the benchmarks and runs them on a machine that should have nothing else to do; every answer is verified against
# the peers before it is timed. Writes benchmarks/results/<stage>.json and prints our times against the peers'.
#
#   tools/bench.sh [STAGE]...       stages: split eplb remap replay; default all
#   BENCH_REPETITIONS=9 BENCH_MIN_TIME=0.5 tools/bench.sh
set -euo pipefail
cd "$(dirname "$0")/.."
stages=${*:-split eplb remap replay}
repetitions=${BENCH_REPETITIONS:-9}
min_time=${BENCH_MIN_TIME:-0.1}

tools/setup.sh bench
cmake --workflow --preset bench
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' build/bench/CMakeCache.txt)
mkdir -p benchmarks/results

for stage in $stages; do
  raw=build/bench/$stage.json
  "build/bench/benchmarks/bench_$stage" --benchmark_out="$raw" --benchmark_out_format=json \
    --benchmark_repetitions="$repetitions" --benchmark_min_time="$min_time" \
    --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
    --benchmark_context=cpu="$(echo "$cpu" | tr ',=' '  ')" \
    --benchmark_context=compiler="$("$compiler" -dumpfullversion -dumpversion)"
  python3 benchmarks/keep_medians.py "$raw" "benchmarks/results/$stage.json"
done

case " $stages " in
  *" split "*) python3 benchmarks/compare.py benchmarks/results/split.json ;;
esac
