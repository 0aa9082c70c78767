# What contributors run. PYTHON is the environment of an editable install; see CONTRIBUTING.md.
PYTHON ?= .venv/bin/python

.PHONY: fast check docs bench canary release

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

release:  ## dist/: sdist and wheel, checked; the wheel trains in an environment of its own
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder/tools"; "$$folder/tools/bin/pip" install -q build twine; \
	rm -rf dist; "$$folder/tools/bin/python" -m build; "$$folder/tools/bin/twine" check --strict dist/*; \
	$(PYTHON) -m venv "$$folder/user"; "$$folder/user/bin/pip" install -q dist/*.whl; "$$folder/user/bin/pip" check; \
	(cd "$$folder" && user/bin/wineexp train --widths 8 --epochs 2 --data simulated --out outputs); \
	$(PYTHON) -m zipfile -l dist/*.whl
