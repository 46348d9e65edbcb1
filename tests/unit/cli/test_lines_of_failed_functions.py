"""How the command line shows a function's run that failed for good, and its dead letter."""

from towpath_cli.lines import letter_text, run_text
from towpath_schemas.attribution import Attribution
from towpath_schemas.dead import DeadLetter, LetterView
from towpath_schemas.failure import Failure
from towpath_schemas.runs import RunView

ACME = Attribution(tenant="acme")


def test_a_run_that_failed_for_good_says_how_often_it_was_tried_and_how_to_start_it_anew() -> None:
    failed = RunView(
        run_id="r-1",
        component="order",
        component_kind="function",
        status="failed",
        created_at=0.0,
        failure=Failure(code="user_error", message="no kite"),
        attribution=ACME,
        attempts=3,
        letter=17,
    )

    said = run_text(failed).plain.splitlines()

    assert "attempts     3" in said
    assert "dead letter  17, which `towpath dead redrive 17` starts anew" in said


def test_its_letter_names_the_run() -> None:
    letter = DeadLetter(
        letter_id="l-1",
        stream="REQUESTS",
        consumer="runner-shop",
        reason="no kite",
        attempts=3,
        at=0.0,
        published_at=0.0,
        subject="requests.v1.acme.start.order",
        sequence=0,
        run_id="r-1",
    )

    said = letter_text(LetterView(place=17, letter=letter)).plain

    assert "was          what started run r-1, published" in said
