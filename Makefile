# What contributors run. PYTHON is the environment of an editable install; see CONTRIBUTING.md.
PYTHON ?= .venv/bin/python

.PHONY: fast check docs bench canary

fast:     ## the quick tests, lint and types: two to five minutes
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -q -m "not slow"

check:    ## the gate, as CI runs it: everything, in an environment of its own
	bash .ci/run

docs:     ## write anew the parts of README and docs that come from the code
	$(PYTHON) docs/generate.py

PEERS ?= $(PYTHON)
bench:    ## every benchmark, beside the peers in PEERS (an environment with the extra "bench"); an hour
	$(PYTHON) benchmarks/run_all.py --peers $(PEERS)

canary:   ## the quick tests on the newest TensorFlow, Keras and Dask, whatever pyproject.toml allows
	bash .ci/canary
