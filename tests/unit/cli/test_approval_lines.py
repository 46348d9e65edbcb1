"""Approvals, as the command shows them."""

from typing import Any

from rich.console import Console

from towpath_cli.lines import approval_text, approvals_table
from towpath_schemas.approvals import ApprovalAsked, ApprovalView, content_sha256
from towpath_schemas.attribution import Attribution


def approval(name: str, payload: Any) -> ApprovalView:
    return ApprovalView(
        approval_id="run-1-4",
        run_id="run-1",
        component="cleaner",
        name=name,
        asked=ApprovalAsked(payload=payload, content_sha256=content_sha256(payload)),
        created_at=0.0,
        attribution=Attribution(tenant="acme"),
    )


def printed(shown: Any) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def test_a_call_of_a_tool_is_shown_with_its_arguments() -> None:
    erases = approval("tool:erase", {"tool": "erase", "arguments": {"names": ["a", "b"], "force": True}})
    deploys = approval("deploy", {"version": 1})

    listed = printed(approvals_table([erases, deploys]))

    assert 'erase(names=["a", "b"], force=true)' in listed
    assert " deploy " in listed
    assert '"force": true' in printed(approval_text(erases))


def test_arguments_that_fill_the_line_are_shortened() -> None:
    many = approval("tool:erase", {"tool": "erase", "arguments": {"text": "word " * 100}})

    assert 'erase(text="word word' in printed(approvals_table([many]))
    assert max(map(len, printed(approvals_table([many])).splitlines())) <= 200
