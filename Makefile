# Every target sets up what it needs and does nothing twice. PYTHON names the interpreter for the virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?= all,dev
export HF_HUB_OFFLINE = 1
export NO_MKDOCS_2_WARNING = 1

# llama-cpp-python is compiled for the CPU it is built on (about 5 minutes). The wheel is kept per CPU and CMAKE_ARGS, so
# that a second virtual environment takes seconds; without the folder everything works the same, only slower.
CPU := $(shell (grep -m1 -E '^(flags|Features)' /proc/cpuinfo || sysctl -n machdep.cpu.brand_string; uname -sm; echo "$(CMAKE_ARGS)") 2>/dev/null | cksum | cut -d' ' -f1)
WHEELS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ragloom/wheels/$(CPU)
LLAMA := $(shell grep "^llama-cpp-python==" constraints.txt)
LLAMA_WHEEL = $(WHEELS)/llama_cpp_python-$(subst llama-cpp-python==,,$(LLAMA))-*.whl

.PHONY: setup demo test lint bench bench-quality .bench docs clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ragloom needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@mkdir -p "$(WHEELS)"
	@ls $(LLAMA_WHEEL) >/dev/null 2>&1 || \
		echo "Compiling $(LLAMA) for this CPU: about 5 minutes on 2 cores, once."
	@ls $(LLAMA_WHEEL) >/dev/null 2>&1 || \
		$(BIN)/python -m pip wheel --quiet --no-deps --no-cache-dir --wheel-dir "$(WHEELS)" "$(LLAMA)"
	$(BIN)/python -m pip install --quiet --find-links "$(WHEELS)" --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --find-links "$(WHEELS)" --constraint constraints.txt --editable ".[$(EXTRAS)]"
	@touch $@

demo: setup
	$(BIN)/ragloom demo

test: setup
	$(BIN)/python -m pytest

lint: setup build/types/ragloom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=build/types $(BIN)/mypy --strict -p ragloom.rag -p ragloom.agents -p ragloom.prompts -p ragloom.stores

# mypy wants the package under its name, whatever the checkout is called.
build/types/ragloom:
	@mkdir -p build/types
	@ln -sfn ../.. $@

docs: setup
	$(BIN)/mkdocs build --strict --quiet

bench: .bench
	$(BIN)/python benchmarks/run_all.py

bench-quality: .bench
	$(BIN)/python benchmarks/run_all.py --quality

.bench: setup
	$(BIN)/python -m pip install --quiet --find-links "$(WHEELS)" --constraint constraints.txt --editable ".[$(EXTRAS),bench]"

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
