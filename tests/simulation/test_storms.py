"""The platform in a storm: services and broker die, stop and forget, messages are lost, late and doubled.

Each seed is a storm of its own. It runs the services as they are, on a model of the broker in virtual time; a seed
that fails is repeated, event for event, by the command that the failure prints.
"""

import pytest

from towpath_testkit.simulation import CALM
from towpath_testkit.simulation.examining import examine, undisturbed

SEEDS, AT_A_TIME = 200, 5
SEEDS_OF_A_SOAK, SOAKED_AT_A_TIME = 20_000, 50


def expect_nothing_wrong(seeds: range) -> None:
    reports = [report for seed in seeds if (report := examine(seed)) is not None]
    assert not reports, "\n\n".join(reports)


def test_without_a_storm_every_run_ends_and_nothing_is_wrong() -> None:
    assert [examine(seed, CALM) for seed in (2, 3)] == [None, None]
    assert {end.end for end in undisturbed(0).ends.values()} == {"completed", "continued"}
    assert {end.end for end in undisturbed(1).ends.values()} == {"completed", "continued", "cancelled"}


@pytest.mark.parametrize("first", range(0, SEEDS, AT_A_TIME))
def test_runs_come_through_a_storm_as_if_nothing_had_happened(first: int) -> None:
    expect_nothing_wrong(range(first, first + AT_A_TIME))


@pytest.mark.soak
@pytest.mark.parametrize("first", range(SEEDS, SEEDS + SEEDS_OF_A_SOAK, SOAKED_AT_A_TIME))
def test_runs_come_through_every_storm_as_if_nothing_had_happened(first: int) -> None:
    expect_nothing_wrong(range(first, first + SOAKED_AT_A_TIME))
