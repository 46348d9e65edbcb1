"""Whatever is done to a ledger, the first line that is not what was written is found."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from towpath_schemas.ledger import GENESIS, Head, sealed, verify

same_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
SIZES = st.integers(min_value=2, max_value=8)


def lines_of(count: int) -> list[bytes]:
    seal, lines = GENESIS, list[bytes]()
    for sequence in range(1, count + 1):
        entry = b'{"sequence":%d,"subject":"audit.v1.a.b.run.started","headers":{},"body":"{}"}' % sequence
        line, seal = sealed(entry, seal)
        lines.append(line)
    return lines


def head_of(lines: Sequence[bytes]) -> Head:
    return Head(len(lines), lines[-1].split(b'"')[-2].decode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_what_was_written_is_proven(path: Path) -> None:
    lines = lines_of(5)
    path.write_bytes(b"".join(lines))

    verdict = verify(path, head_of(lines))

    assert (verdict.lines, verdict.head, verdict.finding) == (5, head_of(lines), None)


def test_an_empty_ledger_is_proven(path: Path) -> None:
    path.write_bytes(b"")

    assert verify(path).finding is None


@same_file
@given(SIZES, st.data())
def test_any_altered_byte_is_located(path: Path, count: int, data: st.DataObject) -> None:
    lines = lines_of(count)
    number = data.draw(st.integers(0, count - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    mask = data.draw(st.integers(1, 255))
    altered = bytearray(lines[number])
    altered[at] ^= mask
    path.write_bytes(b"".join([*lines[:number], bytes(altered), *lines[number + 1 :]]))

    verdict = verify(path)

    assert verdict.finding is not None
    assert verdict.finding.line == number + 1
    assert verdict.finding.defect in {"altered", "torn"}
    assert verdict.lines == number


@same_file
@given(SIZES, st.data())
def test_a_deleted_line_is_located(path: Path, count: int, data: st.DataObject) -> None:
    lines = lines_of(count)
    number = data.draw(st.integers(0, count - 2))
    path.write_bytes(b"".join([*lines[:number], *lines[number + 1 :]]))

    finding = verify(path).finding

    assert finding is not None
    assert (finding.line, finding.defect) == (number + 1, "missing")


@same_file
@given(SIZES, st.data())
def test_swapped_lines_are_located(path: Path, count: int, data: st.DataObject) -> None:
    lines = lines_of(count)
    first = data.draw(st.integers(0, count - 2))
    second = data.draw(st.integers(first + 1, count - 1))
    lines[first], lines[second] = lines[second], lines[first]
    path.write_bytes(b"".join(lines))

    finding = verify(path).finding

    assert finding is not None
    assert (finding.line, finding.defect) == (first + 1, "swapped")


@same_file
@given(SIZES, st.data())
def test_a_repeated_line_is_located(path: Path, count: int, data: st.DataObject) -> None:
    lines = lines_of(count)
    number = data.draw(st.integers(0, count - 1))
    path.write_bytes(b"".join([*lines[: number + 1], lines[number], *lines[number + 1 :]]))

    finding = verify(path).finding

    assert finding is not None
    assert (finding.line, finding.defect) == (number + 2, "swapped")


@same_file
@given(SIZES, st.data())
def test_a_cut_off_end_is_noticed_against_a_head_known_from_elsewhere(
    path: Path, count: int, data: st.DataObject
) -> None:
    lines = lines_of(count)
    left = data.draw(st.integers(0, count - 1))
    path.write_bytes(b"".join(lines[:left]))

    finding = verify(path, head_of(lines)).finding

    assert verify(path).finding is None
    assert finding is not None
    assert (finding.line, finding.defect) == (left + 1, "truncated")


def test_a_line_that_was_sealed_anew_is_located_by_the_one_behind_it(path: Path) -> None:
    lines = lines_of(4)
    seal = lines[0].split(b'"')[-2].decode()
    lines[1], _ = sealed(b'{"sequence":2,"subject":"another"}', seal)
    path.write_bytes(b"".join(lines))

    finding = verify(path).finding

    assert finding is not None
    assert (finding.line, finding.defect) == (2, "rewritten")


def test_a_ledger_that_was_sealed_anew_is_noticed_against_a_head_known_from_elsewhere(path: Path) -> None:
    lines = lines_of(3)
    seal = lines[1].split(b'"')[-2].decode()
    another, _ = sealed(b'{"sequence":3,"subject":"another"}', seal)
    path.write_bytes(b"".join([*lines[:2], another]))

    finding = verify(path, head_of(lines)).finding

    assert verify(path).finding is None
    assert finding is not None
    assert (finding.line, finding.defect) == (3, "rewritten")
