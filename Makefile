# Two commands on a fresh machine: make demo, make test. Everything is installed into .venv, nothing elsewhere.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PURE := audio protocol scenarios metrics
CODE := $(PURE) users reporting wiring analysis assistant benchmarks monitoring tests locustfile.py
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --retries 2
CANNOT := echo "cannot install: is the package index reachable? What pip said is in $(VENV)/install.log" >&2
DEMO_TALKERS ?= 20
DEMO_SECONDS ?= 60

.PHONY: wires interop afterwards statistics verdicts demo test test-again check bench format docs corpus calibrate clean install install-dev fuzz monitoring reference network
.DEFAULT_GOAL := help

help:
	@echo "make demo     talk to the bundled assistant for a minute and print what the callers noticed"
	@echo "make test     run every test"
	@echo "make check    lint, types and import rules"
	@echo "make bench    what a talker costs, against other ways (60 minutes on an idle machine; 5 minutes: BENCH=--quick)"
	@echo "make format   format the code"
	@echo "make docs     write the generated pages of docs/ anew"
	@echo "make monitoring  write dashboards, recording rules and the table of alerts anew"
	@echo "make calibrate  measure how far each metric is off, against a peer with known truth (7 minutes, two cores)"
	@echo "make wires    how far talkers are off on each wire, against the assistant's own truth (16 minutes; one: WIRES='--only twilio')"
	@echo "make reference  the reference documents' figures, measured against the assistant's profiles (12 minutes; one: REFERENCE='--only livekitex')"
	@echo "make network  what a network profile costs 1,000 talkers (5 minutes on an idle machine; another: NETWORK='--network 3g')"
	@echo "make statistics  how often the intervals of python -m analysis hold the truth, simulated (10 minutes)"
	@echo "make afterwards  how long each command of analysis takes over 100,000 turns, and its memory (10 minutes)"
	@echo "make verdicts  whether each scenario tells good from bad: two runs of each (8 minutes)"
	@echo "make interop  vendors' own clients talk to the assistant; they are installed beside, into .venv-interop"
	@echo "make fuzz     a million inputs for the frame decoder"
	@echo "make clean    remove what was installed and measured here"

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml users/_line.c users/_line.h users/_path.h users/_transit.h users/_way.h users/_wire.h
	@$(PYTHON) -c 'import sys; sys.exit("doubletalk needs Python 3.11 or newer; this is %d.%d (choose another: make PYTHON=python3.12)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Installing Doubletalk into $(VENV) (about a minute, once)..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { echo "cannot make a virtual environment in $(VENV): on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@$(PIP) --editable . >$(VENV)/install.log 2>&1 || { $(CANNOT); exit 1; }
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need..."
	@$(PIP) --editable '.[dev]' >$(VENV)/install.log 2>&1 || { $(CANNOT); exit 1; }
	@touch $@

demo: $(VENV)/.installed
	@echo "$(DEMO_TALKERS) talkers call the bundled assistant for $(DEMO_SECONDS) s..."
	@$(BIN)/python -m assistant --port 0 --profile demo -- \
	  $(BIN)/locust --headless --scenario demo --users $$(($(DEMO_TALKERS) + 1)) --run-time $(DEMO_SECONDS)s

test: export PYTHONDONTWRITEBYTECODE =  # some machines have it set: hundreds of processes would compile the same files
test: $(VENV)/.installed-dev
	$(BIN)/pytest -m "not alone and not interop" --numprocesses 3 --dist loadgroup --no-loadscope-reorder --cov --cov-report=term
	$(BIN)/pytest -m "alone and not interop" $$(grep -rl --include '*.py' 'mark\.alone' tests)

test-again: $(VENV)/.installed-dev
	$(BIN)/pytest --last-failed --last-failed-no-failures none -m "not interop"
	$(BIN)/pytest -m "alone and not interop" $$(grep -rl --include '*.py' 'mark\.alone' tests)

interop: $(VENV)/.installed-dev
	$(BIN)/pytest -m interop tests/interop

check: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/pytest tests/test_imports.py

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.bench $(BENCH)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

docs: $(VENV)/.installed
	$(BIN)/python -m metrics > docs/metrics.md
	$(BIN)/python -m scenarios docs > docs/scenarios.md
	$(BIN)/python -m reporting docs/run-files.md
	$(BIN)/python -m reporting --prometheus docs/prometheus.md
	$(BIN)/python -m protocol table docs/dialects.md

monitoring: $(VENV)/.installed-dev
	$(BIN)/python -m monitoring

fuzz: $(VENV)/.installed-dev
	@$(PIP) --editable '.[fuzz]' >$(VENV)/install.log 2>&1 || { $(CANNOT); exit 1; }
	$(BIN)/python tests/protocol/fuzz_protocol_frames.py -runs=1000000 -max_len=512 -print_final_stats=1

corpus: $(VENV)/.installed
	$(BIN)/python -m audio.make_corpus

calibrate: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.calibrate

reference: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.reference $(REFERENCE)

network: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.network $(NETWORK)

wires: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.wires --write $(WIRES)

statistics: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.statistics --write

afterwards: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.afterwards --write

verdicts: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.verdicts --write

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
