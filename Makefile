# Shortcuts; each installs what it needs where that is missing (tools/setup.sh). The build itself is CMake's.
.PHONY: help demo test bench lint format coverage clean
.DEFAULT_GOAL := help

help:  ## This list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

demo:  ## Replay the bundled trace: a table here, a page in build/demo/report.html
	@tools/demo.sh

test:  ## Build and run all tests but the slow ones; TORCH=0 leaves out those that need torch
	@tools/test.sh

bench:  ## Run the benchmarks with their peers
	@tools/bench.sh

lint:  ## Check formatting, the direction of includes, the Python package, and clang-tidy
	@tools/lint.sh

format:  ## Format all C++, CUDA and Python files in place
	@tools/setup.sh lint
	@git ls-files -z '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 clang-format -i
	@bash -c 'source tools/python_env.sh && make_venv venv-lint python/tests/requirements-lint.txt'
	@build/venv-lint/bin/ruff format --quiet

coverage:  ## Line coverage of src/; fails below 95%
	@tools/coverage.sh

clean:  ## Remove everything that was built
	rm -rf build
