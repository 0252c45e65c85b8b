# Sourced by scripts that need the Python package. PYTHON chooses the interpreter, by default python3.

pip_in() {
  local venv=$1
  shift
  "$venv/bin/python" -m pip "$@" --quiet --disable-pip-version-check
}

# Builds build/wheel/lplb-*.whl. Without pip's isolation, which would compile everything anew each time; what the build
# needs is pinned in pyproject.toml.
build_wheel() {
  local venv=build/venv-build requires
  requires=$(sed -n 's/^requires = \[\(.*\)\]$/\1/p' pyproject.toml | tr -d '",')
  [[ -x $venv/bin/python ]] || "${PYTHON:-python3}" -m venv "$venv"
  # shellcheck disable=SC2086  # a list of words
  pip_in "$venv" install $requires
  rm -rf build/wheel
  if ! CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)} \
    pip_in "$venv" wheel --verbose --no-build-isolation --no-deps --wheel-dir build/wheel . >build/wheel.log 2>&1; then
    tail -n 40 build/wheel.log >&2
    echo "python_env: building the wheel failed; the whole output is in build/wheel.log" >&2
    return 1
  fi
}

# make_venv NAME REQUIREMENTS: build/NAME with what the file lists.
make_venv() {
  local venv=build/$1 requirements=$2
  if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    pip_in "$venv" install -r "$requirements"
    cp "$requirements" "$venv/requirements.txt"
  fi
}

# install_wheel NAME: the wheel of build_wheel, into build/NAME.
install_wheel() {
  pip_in "build/$1" install --force-reinstall --no-deps build/wheel/lplb-*.whl
}
