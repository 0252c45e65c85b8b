#!/usr/bin/env bash
# Installs the Debian packages that a task needs: tools/setup.sh demo|test|lint|bench|coverage|python.
# Asks dpkg first: where nothing is missing it prints nothing, reads no package list and needs no rights.
set -euo pipefail

build=(g++ cmake ninja-build zlib1g-dev nlohmann-json3-dev libcli11-dev libfmt-dev libjs-chart.js)
checks=(ccache libgtest-dev libgmock-dev librapidcheck-dev liblemon-dev coinor-libclp-dev libglpk-dev pkg-config python3)
# python3-venv and binutils are for the tests; building the wheel takes the rest.
python=(python3 python3-dev python3-venv binutils)
case "${1:-}" in
  demo) packages=("${build[@]}") ;;
  test) packages=("${build[@]}" "${checks[@]}" "${python[@]}" chromium clang libclang-rt-14-dev) ;;
  lint) packages=("${build[@]}" "${python[@]}" git clang clang-format clang-tidy) ;;
  bench) packages=("${build[@]}" libbenchmark-dev liblemon-dev coinor-libclp-dev libglpk-dev pkg-config python3) ;;
  coverage) packages=("${build[@]}" "${checks[@]}" chromium gcovr) ;;
  python) packages=("${build[@]}" "${python[@]}") ;;
  *) echo "usage: tools/setup.sh demo|test|lint|bench|coverage|python" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: not a Debian system; what is needed is what these Debian packages hold: ${packages[*]}" >&2
  exit 0
fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

# Without a terminal nobody can type a password, so sudo must not wait for one.
if [[ $(id -u) == 0 ]]; then
  as_root=()
elif command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
  as_root=(sudo)
else
  echo "setup: these Debian packages are missing, and installing them takes root or sudo:" >&2
  echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "setup: installing ${#missing[@]} Debian packages${as_root:+ with sudo}: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
mkdir -p build
log=build/setup.log
for step in "update" "install --yes --no-install-recommends ${missing[*]}"; do
  # shellcheck disable=SC2086  # the step is a list of words
  if ! "${apt[@]}" $step >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get ${step%% *} failed; the whole output is in $log" >&2
    exit 1
  fi
done
echo "setup: done"
