# Needs python3 (3.11 or newer), make and git; everything else is installed into .venv. "make help" lists the targets.
PYTHON ?= python3
PY := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo serve worker live test test-pg15 test-browser check messages format migrate shell bench bench-paying bench-notifications bench-import bench-search lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile

# A stamp newer than the lock file means that all of it is installed; a broken installation is simply repeated.
.venv/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(PY) && $(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv \
		|| { command -v uv >/dev/null && uv venv --seed --clear --python $(PYTHON) .venv; } \
		|| { echo "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@{ command -v uv >/dev/null && uv pip install -q --python $(PY) --require-hashes -r requirements.lock; } \
		|| $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# Foreground commands replace the recipe's shell, so a signal to the process group or SIGTERM to make reaches them. GNU make
# does not pass on a SIGINT sent to itself alone, but deletes the target it is making: the watcher beside the command sees that.
# A target of its own per make process ($PPID), because two demos may run side by side.
define WATCHER
import os, signal, sys, time
target, command = sys.argv[1], os.getppid()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os._exit(0))  # the group got it, and so did the command
while os.path.exists(target) and os.getppid() == command:
    time.sleep(0.2)
if os.getppid() == command:
    os.kill(command, signal.SIGINT)
elif os.path.exists(target):
    os.unlink(target)
endef
export WATCHER
RUNNING := .venv/.running-$(shell echo $$PPID)

$(RUNNING)-%: .venv/.installed
	@touch $@; $(PY) -c "$$WATCHER" $@ </dev/null >/dev/null 2>&1 & exec $(PY) manage.py $* $(ARGS)

demo: $(RUNNING)-demo ## two businesses, API, admin and worker on PORT (8000), data in DEMO_DIR (.demo), RESET=1 starts over
serve: $(RUNNING)-serve ## the server on PORT
worker: $(RUNNING)-worker ## a worker for background jobs
live: $(RUNNING)-live ## streams of notifications on LIVE_PORT

# Two processes, each with a database of its own; JOBS=0 runs everything in one.
JOBS ?= 2
test: .venv/.installed ## all tests (ARGS="-k slots -x")
	@$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

PG15 := /usr/lib/postgresql/15/bin
test-pg15: .venv/.installed ## all tests on Debian's PostgreSQL 15
	@test -x $(PG15)/postgres || { echo "PostgreSQL 15 is not in $(PG15): apt-get install postgresql-15" >&2; exit 1; }
	@PG_BIN=$(PG15) $(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-browser: .venv/.installed ## how mails look at 360 and 800 pixels, measured in Chromium
	@command -v chromium >/dev/null || { echo "chromium is not installed: apt-get install chromium" >&2; exit 1; }
	@$(PY) -m pytest -m browser $(ARGS)

check: .venv/.installed ## everything that is checked without running the tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check --fail-level WARNING
	$(PY) manage.py docs --check
	$(PY) manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(PY) -m pytest tests/test_architecture.py -q

messages: .venv/.installed ## compile the translations (.po to .mo; needs gettext)
	@$(PY) manage.py compilemessages --ignore .venv --ignore .data

format: .venv/.installed ## ruff: fix and format
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

migrate: .venv/.installed ## apply migrations to the database of "make serve"
	@exec $(PY) manage.py migrate $(ARGS)

shell: .venv/.installed ## Django's shell
	@exec $(PY) manage.py shell $(ARGS)

bench: .venv/.installed ## benchmarks/run.py
	@exec $(PY) benchmarks/run.py $(ARGS)

bench-paying: .venv/.installed ## benchmarks/paying.py: card sales at a steady rate
	@exec $(PY) benchmarks/paying.py $(ARGS)

bench-notifications: .venv/.installed ## benchmarks/notifications.py: notifications at 1,000,000 rows
	@exec $(PY) benchmarks/notifications.py $(ARGS)

bench-search: .venv/.installed ## benchmarks/search.py: finding a client among 1,000,000
	@exec $(PY) benchmarks/search.py $(ARGS)

bench-import: .venv/.installed ## benchmarks/client_import.py: 50,000 clients from one file
	@exec $(PY) benchmarks/client_import.py $(ARGS)

lock: ## requirements.lock from pyproject.toml
	@command -v uv >/dev/null || { test -x .venv/lock/bin/uv || { $(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install -q uv; }; }
	@PATH="$$PATH:.venv/lock/bin" uv pip compile pyproject.toml --extra embedded --extra s3 --group test --group lint --universal \
		--generate-hashes --no-header --no-emit-index-url --quiet -o requirements.lock

clean: ## remove caches and .venv; data (.data, .demo) stays
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
