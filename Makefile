# make install   .venv with everything that the demo and the tests need
# make demo      search loss weights on generated scenes and compare with default weights (runs/demo); ROUNDS=14 for
#                the whole of it, as the README shows it
# make readme-pictures   the README's pictures, from the demo
# make test      what has to pass before a change goes in: lint, types, tests
# make test-all  the slow tests as well: many processes, killed workers, pages in a browser
# make lint      the first two alone
# make docs      the documentation as a site, into site/
# make clean     remove what make has made, except runs/

PYTHON ?= python3
WORKERS ?= 2
# Of the demo: with the preset's 14 it takes more than ten minutes on slow cores, installation included.
ROUNDS ?= 10
BIN := .venv/bin
INSTALLED := .venv/.installed
WHAT := --editable . --group dev
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python $(WHAT)

# One thread a process: the tests and the demo run processes side by side, and small pictures do not gain from threads.
export OMP_NUM_THREADS ?= 1

.PHONY: install demo readme-pictures test test-all lint docs format clean
.DELETE_ON_ERROR:

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt hatch_build.py src/ada_segment/panoptic/joint_count.c
	@command -v $(PYTHON) >/dev/null || \
	    { echo "there is no $(PYTHON); install Python 3.11 or newer, or name it: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	           "name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "$(PYTHON) lacks the module venv; install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# uv is several times faster than pip; where it cannot be had or fails, pip does the same. Versions that are no
	@# longer to be had give way to the newest. Compiled at installation, torch is imported in 4 seconds instead of 10.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv \
	    && { UV_COMPILE_BYTECODE=1 $(UV_INSTALL) --constraint constraints.txt || UV_COMPILE_BYTECODE=1 $(UV_INSTALL); } \
	    || { echo "uv could not install; pip takes over" >&2 \
	         && $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' \
	         && $(BIN)/python -m pip install --quiet $(WHAT); }
	@touch $@

# A process for each member and one for the training with default weights keep both cores busy to the end.
demo: install
	rm -rf runs/demo runs/default
	@mkdir -p runs
	@$(BIN)/ada-segment train --data scenes --preset tiny --weights default --set search.rounds=$(ROUNDS) \
	        --out runs/default > runs/default.log 2>&1 & \
	    trap 'kill $$! 2>/dev/null' INT TERM; \
	    $(BIN)/ada-segment search --data scenes --model panoptic-fpn --preset tiny --set search.rounds=$(ROUNDS) \
	            --out runs/demo --executor processes --workers 3 \
	        || { kill $$! 2>/dev/null; exit 1; }; \
	    wait $$! || { cat runs/default.log; exit 1; }
	@$(BIN)/ada-segment report runs/demo --baseline runs/default

# The README's pictures, from the demo's run.
readme-pictures:
	$(BIN)/ada-segment report runs/demo --baseline runs/default --figures docs/pictures
	cd docs/pictures && rm -f *.png *.csv shares.svg losses.svg noise.svg classes.svg
	$(BIN)/python -c "from PIL import Image; sheet = Image.open('runs/demo/overlays.png').convert('RGB'); \
	    sheet.crop((0, 0, sheet.width, sheet.height // 2)).save('docs/pictures/overlays.jpg', quality=85)"

test: lint
	$(BIN)/pytest -n $(WORKERS)

test-all: lint
	$(BIN)/pytest -n $(WORKERS) -m ""

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Strict: a link that leads nowhere is an error; with --quiet it would not be, since that hides the warning. The theme
# would print an advertisement of its successor. The tests build the site likewise, in a folder of their own.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: install
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
