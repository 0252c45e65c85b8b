#!/usr/bin/env bash
# What each CUDA kernel takes of a multiprocessor, as ptxas -v reports it: the table of docs/cuda.md. Needs nvcc, no GPU.
#
#   tools/cuda_resources.sh [ARCHITECTURE]      default sm_90
set -euo pipefail
cd "$(dirname "$0")/.."
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
architecture=${1:-sm_90}

echo "| kernel | registers | static shared bytes | stack bytes | spilled bytes |"
echo "|---|---|---|---|---|"
for source in src/*/*.cu; do
  flags=()
  [[ $source == */optimize/* ]] && flags=(-fmad=false)  # as CMakeLists.txt has it
  "$nvcc" "${flags[@]}" -std=c++20 -O3 --expt-relaxed-constexpr -Iinclude -Isrc -arch="$architecture" -Xptxas -v -cubin \
    -o /dev/null "$source" 2>&1
done | c++filt | python3 tools/cuda_resources.py
