#!/usr/bin/env bash
# The demo: builds the command, replays the bundled trace with every strategy that suits it, and says where the report is.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh demo
if [[ ! -f build/release/build.ninja ]]; then
  cmake --preset release -Wno-dev
fi
cmake --build --preset release --target lplb_cli
mkdir -p build/demo
strategies=none,eplb,eplb+split,cube,hypercube,torus,ring,uniform,optimize,optimize:5%
command=(build/release/cli/lplb replay data/moe128.npz --ranks 32 --nodes 4 --redundant 2 --strategy "$strategies"
  --report build/demo/report.html --json build/demo/replay.json)
echo "\$ ${command[*]}"
"${command[@]}"
echo
echo "The page: file://$PWD/build/demo/report.html"
echo "The numbers: build/demo/replay.json"
