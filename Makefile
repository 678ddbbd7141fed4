# The two commands of a fresh checkout are `make demo` and `make test`; both set up what they need. `make help` lists the rest.
BUILD ?= build/release
PY := .venv/bin/python
TEST_ARGS ?=
BENCH_ARGS ?=

.PHONY: help setup setup-test configure build install demo test test-drivers bench bench-drivers format clean
help: ## List these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: ## Install what building and the demo need (apt, .venv)
	@tools/setup.sh demo
setup-test: ## Also what the tests need
	@tools/setup.sh test

install: setup ## Build the plugin and install it into .venv
	@tools/install.sh $(BUILD)

demo: install ## Train a small network on handwritten digits on the Vulkan device
	@$(PY) examples/digits.py

test: setup-test ## Run every test; the last line counts them
	@tools/install.sh $(BUILD) with-tests
	@$(PY) tools/run_tests.py --build $(BUILD) $(TEST_ARGS)

test-drivers: setup-test ## Compile every kernel of the tests with the drivers of all vendors, without their hardware
	@tools/install.sh $(BUILD) with-tests
	@$(PY) tools/run_tests.py --build $(BUILD) --parts cpp,drivers $(TEST_ARGS)

bench: install ## Time operations and models on this machine, beside JAX and PyTorch where they have CUDA; BENCH_ARGS="--layers operations"
	@cmake --build $(BUILD) --target tfvk-hlo
	@TFVK_HLO=$(abspath $(BUILD))/tfvk-hlo $(PY) benchmarks/bench.py $(BENCH_ARGS)

bench-drivers: setup-test ## Write the hot kernels' registers, spills and occupancy on the drivers of all vendors, without their hardware
	@tools/install.sh $(BUILD) with-tests
	@test -x .tools/drm-shim/gpurun || tools/get_drm_shim.sh .tools/drm-shim
	@$(PY) benchmarks/driver_statistics.py --build $(BUILD) --results benchmarks/results --check $(BENCH_ARGS)

format: setup-test ## Format the C++ and Python sources
	@$(PY) tools/format.py

clean: ## Remove what was built (not .venv)
	rm -rf build dist .pytest_cache .ruff_cache digits.png digits.keras
