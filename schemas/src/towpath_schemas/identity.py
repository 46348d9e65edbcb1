"""Ids that are derived, so that doing a thing twice names the same thing."""

import hashlib
from base64 import b32encode

_LENGTH = 26
_BYTES = 20
"""As many as 26 characters of five bits need, and base 32 writes as a whole."""


def derived_id(*parts: str) -> str:
    """Derive a 26-character id, `[a-z2-7]`, from `parts`; equal parts give equal ids.

    >>> derived_id("acme", "desk", "order-1") == derived_id("acme", "desk", "order-1")
    True
    """
    digest = hashlib.sha256(b"".join(len(raw).to_bytes(4) + raw for raw in map(str.encode, parts))).digest()
    return b32encode(digest[:_BYTES])[:_LENGTH].decode().lower()


def run_id(tenant: str, component: str, idempotency_key: str) -> str:
    """Derive the id of the run that a request starts: the same key of the same tenant finds the same run."""
    return derived_id("run", tenant, component, idempotency_key)


def answer_id(question_id: str) -> str:
    """Derive the id of an answer from its question's, so a repeated question cannot have two answers."""
    return derived_id("answer", question_id)


def call_id(run: str, key: str) -> str:
    """Derive the id of the call that `run` makes at `key`; it is the callee's idempotency key."""
    return derived_id("call", run, key)


def entity_call_id(tenant: str, entity_type: str, key: str, method: str, idempotency_key: str) -> str:
    """Derive the id of a call of an entity that is asked for at the public door."""
    return derived_id("entity-call", tenant, entity_type, key, method, idempotency_key)


def child_run_id(parent: str, key: str) -> str:
    """Derive the id of the run that `parent` starts at `key`."""
    return derived_id("child", parent, key)


def successor_run_id(run: str) -> str:
    """Derive the id of the run that goes on where `run` continued as new."""
    return derived_id("successor", run)


def fork_run_id(run: str, until: str, idempotency_key: str) -> str:
    """Derive the id of the run that does `run` again from its act `until` on."""
    return derived_id("fork", run, until, idempotency_key)


def schedule_id(tenant: str, name: str, made_by: str) -> str:
    """Derive the id of the schedule that `made_by`, the id of a request or a registration, makes first."""
    return derived_id("schedule", tenant, name, made_by)


def schedule_change_id(tenant: str, name: str, changed_by: str) -> str:
    """Derive the id of the journal that says what a request or a registration did to a schedule."""
    return derived_id("schedule-change", tenant, name, changed_by)


def scheduled_run_id(schedule: str, occasion: str) -> str:
    """Derive the id of the run that a schedule starts on an occasion: a moment of it, or a request."""
    return derived_id("scheduled", schedule, occasion)


def letter_id(stream: str, consumer: str, sequence: int, published_at: float) -> str:
    """Derive the id of the dead letter of `consumer` about a message; the time tells it from one in a later stream."""
    return derived_id("letter", stream, consumer, str(sequence), repr(published_at))


def letter_of_run_id(run: str) -> str:
    """Derive the id of the dead letter of a function's run that failed for good."""
    return derived_id("letter-of-run", run)


def redrive_id(letter: str) -> str:
    """Derive the id of the journal that says of a dead letter that it was redriven."""
    return derived_id("redrive", letter)


def chunk_id(streaming: str, index: int, attempt: int = 1) -> str:
    """Name a chunk by the run, or the call of a run, that streams it, and its number in an attempt: told again, it is the same."""
    said = "" if attempt == 1 else f"@{attempt}"
    return f"{streaming}:chunk:{index}{said}"
