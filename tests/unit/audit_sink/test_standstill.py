"""A sink that is refused again and again says so; one in whose place another tells does not."""

import structlog

from towpath_audit_sink.standstill import Standstill


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_refusals_at_one_place_are_a_standstill_after_some_seconds_and_said_once_a_minute() -> None:
    clock = Clock()
    standstill = Standstill(clock)

    with structlog.testing.capture_logs() as said:
        lasts: list[bool] = []
        for now in (101.0, 104.0, 106.1, 107.0, 160.0, 167.0):
            clock.now = now
            standstill.refused(12, "somebody else has stored the same message")
            lasts.append(standstill.lasts)

    assert lasts == [False, False, True, True, True, True]
    assert [(one["audit_sequence"], one["seconds"]) for one in said] == [(12, 5), (12, 66)]


def test_another_sink_that_tells_is_no_standstill() -> None:
    clock = Clock()
    standstill = Standstill(clock)

    for second in range(60):
        clock.now += 1
        standstill.refused(second // 4, "somebody else was faster")
        assert not standstill.lasts


def test_it_is_over_once_something_is_told() -> None:
    clock = Clock()
    standstill = Standstill(clock)
    standstill.refused(12, "no")
    clock.now += 60
    standstill.refused(12, "no")

    standstill.went_on()

    assert not standstill.lasts
