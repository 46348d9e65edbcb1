"""Where a page of a list ends can be told, and read again."""

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from towpath_schemas.approvals import ApprovalsAsked
from towpath_schemas.paging import Cursor
from towpath_schemas.runs import RunsAsked

IDS = st.text("abcdefghijklmnopqrstuvwxyz234567-_:", min_size=1, max_size=30)
cursors = st.builds(Cursor, st.floats(allow_nan=False, allow_infinity=False), IDS)


@given(cursors)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    assert Cursor.read(cursor.written) == cursor


@given(cursors)
def test_every_list_takes_a_cursor(cursor: Cursor) -> None:
    for shape in (RunsAsked, ApprovalsAsked):
        asked = shape(cursor=cursor.written)
        assert shape.from_body(asked.to_body()) == asked


@pytest.mark.parametrize(
    "written", ["", ":", "1.5", "1.5:", ":run-1", "soon:run-1", "nan:run-1", "inf:run-1"]
)
def test_what_is_no_cursor_is_refused_by_name(written: str) -> None:
    with pytest.raises(ValidationError, match="cursor"):
        RunsAsked(cursor=written)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_page_has_a_size(limit: int) -> None:
    with pytest.raises(ValidationError, match="limit"):
        RunsAsked(limit=limit)


@pytest.mark.parametrize("status", ["completed", ("completed", "failed"), (), None])
def test_one_status_may_be_asked_for_or_several(status: str | tuple[str, ...] | None) -> None:
    asked = RunsAsked.model_validate({"status": status})

    assert RunsAsked.from_body(asked.to_body()).status == status
