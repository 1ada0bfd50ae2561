# make demo   build the environment and run the shipped example
# make test   build the environments and run all tests: test-core, and each family's in an environment of its own
# make test-core, make test-mace ...   those alone
# make check  ruff, types, import rules
# make docs   the site, in site/ (start at site/index.html); make docs-serve shows it at 127.0.0.1:8000, where its search works too
# VENV may point elsewhere, e.g. to a cached environment: make test VENV=~/.cache/pfd/venv
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TORCH ?= torch==2.13.0
# Elsewhere than on PyPI mirrors that resolve torch to a CPU build: make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
TORCH_OPTIONS = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)
RUN ?= silicon
# Families that are tested in environments of their own (`pfd env create`); they lie where PFD_ENVIRONMENTS says.
FAMILIES ?= deepmd mace mattersim nep ace
# Labelers with an environment of their own; their tests run from the core's. GPAW is compiled: with MPI and Libxc if their headers are there.
LABELERS ?= gpaw
# Engines with an environment of their own: dflow pins old packages.
ENGINES ?= argo
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-core test-runs test-rooms test-examples test-families environments check chaos fuzz demo-check bench-selection bench-labels bench-families bench-engines proof docs docs-serve clean

demo: $(VENV)/.demo
	$(BIN)/pfd submit examples/silicon/input.yaml $(RUN)

test: test-core test-families

# In three parts, for `make -j2`: whole runs and labels of real engines, all rooms by themselves, examples run to their end in small.
test-core: test-runs test-rooms test-examples

test-runs: environments
	$(BIN)/python -m pytest tests/workflow tests/label --ignore-glob='*_example*.py'

test-examples: environments
	$(BIN)/python -m pytest tests/workflow/test_*_example*.py

test-rooms: environments $(VENV)/.docs
	PATH="$$PATH:$(abspath $(VENV))/docs/bin" $(BIN)/python -m pytest --ignore=tests/workflow --ignore=tests/label

test-families: $(FAMILIES:%=test-%)

environments: $(VENV)/.test
	for family in $(FAMILIES); do $(BIN)/pfd env create $$family $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),) || exit 1; done
	for labeler in $(LABELERS); do $(BIN)/pfd env create $$labeler || echo "without $$labeler its tests are skipped"; done
	for engine in $(ENGINES); do $(BIN)/pfd env create $$engine || exit 1; done

# One family's tests, with its interpreter, this source and pytest on its path; what is missing fails.
test-%: environments $(VENV)/.tools
	PFD_REQUIRE=$* PYTHONPATH=$(abspath $(VENV))/tools:$$($(BIN)/python -m pfd.environments.source) \
	  $$($(BIN)/pfd env path $*)/bin/python -m pytest tests/models/test_$*.py

check: $(VENV)/.test
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

# In an environment of its own, which needs none of what PFD-kit needs; warnings are errors. Nothing is fetched while it builds.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict
	$(VENV)/docs/bin/cffconvert --validate

docs-serve: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs serve --dev-addr 127.0.0.1:8000

# Long (an hour): kill drivers, tasks and all at once, PFD_KILLS times at random, with the seeds printed; PFD_KILL_SEED for others.
PFD_KILLS ?= 100
SLURM_KILLS ?= 20
chaos: $(VENV)/.test
	PFD_KILLS=$(PFD_KILLS) $(BIN)/python -m pytest tests/workflow/test_chaos.py
	PFD_KILLS=$(SLURM_KILLS) $(BIN)/python -m pytest tests/workflow/test_on_slurm.py -k kills -s

# Long: thousands of damaged inputs more than `make test` has, each with one message or none.
fuzz: $(VENV)/.test
	PFD_FUZZ=5000 $(BIN)/python -m pytest tests/config/test_fuzz.py

# Speed of selection against the quests package, and which method trains better (needs labelled sets: DATA).
DATA ?= ../shared/data
bench-selection: $(VENV)/.test
	$(BIN)/python benchmarks/selection.py --out selection.json
	$(BIN)/python benchmarks/selection_training.py --data $(DATA)

# What our runner adds to an engine, and frames an hour.
bench-labels: $(VENV)/.test
	$(BIN)/python benchmarks/labels.py --out labels.json

# Microseconds per atom of every family, where its tasks run, beside SevenNet-0 and Stillinger-Weber.
bench-families: environments
	$(BIN)/python benchmarks/families.py --out families.json

# Hours: errors on labelled sets of others (DATA) by number of labels; stopped, it goes on where it was. WORDS picks rows, MOST ends it.
proof: $(VENV)/.test
	$(BIN)/python benchmarks/accuracy.py --data $(DATA) --out proof $(if $(WORDS),--rows $(WORDS),) $(if $(MOST),--most $(MOST),)

# Overhead of an engine for each task, a stage of 1,000 tasks, status and resume of 10,000 task folders.
bench-engines: $(VENV)/.test
	$(BIN)/python benchmarks/engines.py --out engines.json

# Long: a second test set for the demo's models, made with another seed, and what it says of them.
demo-check: $(VENV)/.demo
	$(BIN)/python benchmarks/second_test_set.py $(RUN)

$(VENV)/.docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
	  > $(VENV)/docs/requirements.txt
	$(VENV)/docs/bin/python -m pip install --quiet --requirement $(VENV)/docs/requirements.txt
	@touch $@

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)" $(TORCH_OPTIONS)
	@$(BIN)/python -c "import torch; assert torch.version.cuda is None or '$(CUDA)', 'a CUDA build of torch came along: set TORCH_INDEX to the CPU index, or CUDA=1 to keep it'"
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[demo]" "$(TORCH)" $(TORCH_OPTIONS)
	@touch $@

$(VENV)/.test: $(VENV)/.demo pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[demo,sevennet,data,test]" "$(TORCH)" $(TORCH_OPTIONS)
	@touch $@

$(VENV)/.tools: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --target $(VENV)/tools --upgrade pytest pytest-timeout hypothesis beartype
	@touch $@

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
