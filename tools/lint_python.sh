#!/usr/bin/env bash
# The Python package: format and rules (ruff), then strict types (mypy) of the installed wheel with its generated stubs.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/python_env.sh

build_wheel
make_venv venv-lint python/tests/requirements-lint.txt
install_wheel venv-lint
failed=0
build/venv-lint/bin/ruff format --quiet --check --diff || failed=1
build/venv-lint/bin/ruff check --quiet || failed=1
# -p checks the packages as they are installed, so the stubs that users get.
build/venv-lint/bin/mypy --config-file pyproject.toml -p lplb -p eplb || failed=1
exit "$failed"
