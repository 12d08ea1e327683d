# Few verbs, the same on a laptop and in CI. `make demo` and `make test` set everything up by themselves.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# Compiled once and not in every process that starts: Ray starts many, and images like to set PYTHONDONTWRITEBYTECODE.
INSTALL := $(UV) pip install -q --compile-bytecode
unexport PYTHONDONTWRITEBYTECODE
SWIFT := build/swift
export UV_FIND_LINKS := $(PIP_FIND_LINKS)

.PHONY: demo serve models test check bench bench-gpu bench-jobs bench-live bench-load bench-long bench-placement bench-stream chaos format lock clean

demo: $(VENV)/.installed  ## the main job through Ray Serve: out/demo.mp4
	@$(BIN)/python -m clients.demo

serve: $(VENV)/.installed  ## a server on http://127.0.0.1:8000 until Ctrl-C
	@$(BIN)/mouthpiece serve --config serve_config.yaml

models: $(VENV)/.installed-models  ## torch and what the published models run on

test: $(VENV)/.installed-dev $(SWIFT)/.installed check  ## types, lint, format, import rules, every test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev  ## figures of videos, jobs, load, lips and voices; those below have their own
	$(BIN)/python -m benchmarks

bench-jobs: $(VENV)/.installed-dev  ## what durability costs
	$(BIN)/python -m benchmarks.jobs

bench-load: $(VENV)/.installed-dev  ## five hundred jobs at once, two hundred listeners
	$(BIN)/python -m benchmarks.load

bench-live: $(VENV)/.installed-dev  ## four live sessions at once: stalls, first words, interruptions
	$(BIN)/python -m benchmarks.live

bench-long: $(VENV)/.installed-dev  ## a job of 400 sentences: memory, sound and lips at the end, kill -9; ten minutes
	$(BIN)/python -m benchmarks.long

bench-placement: $(VENV)/.installed-dev  ## models that take turns on a logical card; eight minutes
	$(BIN)/python -m benchmarks.placement

bench-stream: $(VENV)/.installed-dev  ## how soon a stream begins, how fast it goes on
	$(BIN)/python -m benchmarks.stream

bench-gpu: $(VENV)/.installed-models  ## what a graphics card shows; without one, that the scripts still run
	$(BIN)/python -m benchmarks.gpu

chaos: $(VENV)/.installed-dev  ## a hundred kills over a running load, and a table of what came of it
	$(BIN)/python -m tests.chaos

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(UV)  ## resolve the newest set that works together
	$(UV) pip compile -q --upgrade pyproject.toml --extra dev --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header -o requirements/dev.txt
	sed -i 's/+cpu$$//' requirements/dev.txt  # the registry has no build by that name
	$(UV) pip compile -q pyproject.toml --extra models --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  -c requirements/dev.txt -o requirements/models.txt
	sed -i 's/+cpu$$//' requirements/models.txt
	$(UV) pip compile -q pyproject.toml --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  -c requirements/dev.txt -o requirements/base.txt
	echo swift | $(UV) pip compile -q --upgrade - --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header -o requirements/swift.txt

clean:
	rm -rf $(VENV) build out *.egg-info
	find deployments -name '*.so' -delete

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv

# The dev set holds the base set, so whichever came first, nothing is taken away again.
$(VENV)/.installed: $(UV) pyproject.toml setup.py requirements/base.txt \
    $(wildcard deployments/backends/*/*/*.c deployments/backends/*/*/*.h)
	$(INSTALL) -r requirements/base.txt
	$(UV) pip install -q --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q clients deployments pipeline
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	$(INSTALL) -r requirements/dev.txt
	@touch $@

$(VENV)/.installed-models: $(VENV)/.installed requirements/models.txt
	$(INSTALL) -r requirements/models.txt
	@touch $@

# The S3 server of the tests, apart from what it would not go with.
$(SWIFT)/.installed: $(UV) requirements/swift.txt
	$(UV) venv -q --clear -p $(PYTHON) $(SWIFT)
	$(INSTALL) -p $(SWIFT) -r requirements/swift.txt
	@touch $@
