# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
KILLS ?= 200
EXTRAS ?= test
PEERS ?= $(BIN)/python

.PHONY: demo test lint bench docs kills guards reliability wheel clean help

help:
	@echo "make demo    environment, install, and the main job on licence-free twins"
	@echo "make test    the whole test suite (EXTRAS=test,afpb: with PyTorch and the tests that need it)"
	@echo "make lint    ruff and mypy"
	@echo "make bench   the benchmark table of docs/benchmarks.md (BENCH=quick for a smaller one)"
	@echo "make docs    write the generated pages of docs/reference again"
	@echo "make kills   200 fetches and 200 builds killed at random and healed by the same command (KILLS=200)"
	@echo "make guards  each guard switched off once: how many make a case fail"
	@echo "make reliability   the figure of docs/reliability.md (PEERS=python of an environment with the other tools)"
	@echo "make wheel   build the wheel and try it in an environment of its own"

$(VENV)/installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or later is needed, $(PYTHON) is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/$(EXTRAS)-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@touch $@

$(VENV)/lint-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,lint]"
	@touch $@

demo: $(VENV)/installed
	$(BIN)/occreid-prepare demo --out $(DEMO)

test: $(VENV)/$(EXTRAS)-installed
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/lint-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/$(EXTRAS)-installed
	$(BIN)/python tests/benchmarks/bench_build.py $(if $(BENCH),--$(BENCH))
	$(BIN)/python tests/benchmarks/bench_ranking.py $(if $(BENCH),--$(BENCH))
	$(BIN)/python tests/benchmarks/bench_occlusion.py $(if $(BENCH),--$(BENCH))
	$(BIN)/python tests/benchmarks/bench_simulate.py $(if $(BENCH),--$(BENCH))

docs: $(VENV)/installed
	$(BIN)/python docs/generate.py

kills: $(VENV)/$(EXTRAS)-installed
	OCCREID_KILLS=$(KILLS) $(BIN)/python -m pytest -q -s -m kills --no-header tests/faults

guards: $(VENV)/$(EXTRAS)-installed
	$(BIN)/python -m pytest -q -n 2 -m guards --no-header tests/faults

reliability: $(VENV)/$(EXTRAS)-installed
	$(BIN)/python tests/benchmarks/reliability.py --peers $(PEERS)

wheel: $(VENV)/lint-installed
	rm -rf build dist $(VENV)-wheel
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd $(VENV)-wheel && bin/occreid-prepare twin partial-reid --out try --ids 4 && \
	bin/occreid-prepare build partial-reid --raw try/Partial-REID_Dataset --root try/built --allow-subset && \
	bin/occreid-prepare split try/built/partial-reid/manifest.csv --protocol transfer-all-occluded-probe --out try/split
	rm -rf $(VENV)-wheel build

clean:
	rm -rf $(VENV) $(VENV)-wheel build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
