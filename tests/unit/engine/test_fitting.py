"""What is too large for a journal is a failure that says so."""

import pytest

from towpath.engine.fitting import fitting
from towpath_schemas.journal import RunFinished


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath.engine.fitting.MAX_PAYLOAD_BYTES", 200)


def test_a_run_that_hands_on_too_large_an_input_fails_and_has_no_successor() -> None:
    handing_on = RunFinished(at=1, end="continued", result="x" * 300, successor="next")

    written, _ = fitting(handing_on)

    assert (written.end, written.result, written.successor) == ("failed", None, None)
    assert written.failure is not None
    assert "the input of the new run" in written.failure.message


def test_too_large_a_result_of_a_run_is_its_failure() -> None:
    written, body = fitting(RunFinished(at=1, end="completed", result="x" * 300))

    assert written.end == "failed"
    assert b"the result of the run" in body
