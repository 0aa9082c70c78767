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

bench:    ## time wineexp beside Keras fit and PyTorch, on this machine
	$(PYTHON) benchmarks/train.py
	$(PYTHON) benchmarks/batch.py

canary:   ## the quick tests on the newest TensorFlow, Keras and Dask, whatever pyproject.toml allows
	bash .ci/canary
