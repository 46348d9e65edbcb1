"""What was brought of a partition stands for its mailboxes only while nothing can be missing from it."""

from typing import cast

import pytest
from hypothesis import given, strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from towpath_entity_store.entities.deliveries import Deliveries

CARTS = ("entities.v1.7.acme.Cart.a", "entities.v1.7.acme.Cart.b")


def delivery(count: int, sequence: int, *, mailbox: str = CARTS[0], attempt: int = 1) -> Msg:
    reply = f"$JS.ACK.ENTITIES.partition-7.{attempt}.{sequence}.{count}.1700000000000000000.0"
    return Msg(_client=cast("Client", None), subject=mailbox, reply=reply, data=b"")


def told(deliveries: Deliveries, through: int, mailbox: str = CARTS[0]) -> list[int] | None:
    found = deliveries.behind(mailbox, through)
    return None if found is None else [message.sequence for message in found]


def brought(*messages: Msg) -> Deliveries:
    deliveries = Deliveries()
    for message in messages:
        deliveries.take(message)
    return deliveries


def test_what_came_without_a_gap_is_all_there_is() -> None:
    deliveries = brought(delivery(5, 10), delivery(6, 11, mailbox=CARTS[1]), delivery(7, 14))

    assert told(deliveries, 9) == [10, 14]
    assert told(deliveries, 10) == [14]
    assert told(deliveries, 10, CARTS[1]) == [11]


def test_what_came_before_the_first_is_unknown() -> None:
    assert told(brought(delivery(5, 10)), 8) is None


def test_a_gap_in_the_count_leaves_only_what_came_behind_it() -> None:
    deliveries = brought(delivery(5, 10), delivery(7, 14))

    assert told(deliveries, 10) is None
    assert told(deliveries, 13) == [14]


def test_what_is_delivered_again_counts_and_begins_nothing() -> None:
    again = brought(delivery(5, 10), delivery(6, 3, attempt=2), delivery(7, 14))
    alone = brought(delivery(6, 3, attempt=2))

    assert told(again, 9) == [10, 14]
    assert told(alone, 2) is None


def test_what_is_done_is_forgotten() -> None:
    first, second = delivery(5, 10), delivery(6, 14)
    deliveries = brought(first, second)
    with deliveries.handling(first):
        pass

    assert told(deliveries, 9) == [14]


def test_what_is_put_off_makes_everybody_read_once_more() -> None:
    first = delivery(5, 10)
    deliveries = brought(first, delivery(6, 14))
    with pytest.raises(RuntimeError), deliveries.handling(first):
        raise RuntimeError
    deliveries.take(delivery(7, 15))

    assert told(deliveries, 9) is None
    assert told(deliveries, 14) == [15]


Happening = tuple[str, int]
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["come", "lose", "done", "fail", "again"]), st.integers(0, 5))
)


@given(HAPPENINGS)
def test_no_mailbox_has_more_than_what_is_told_of_it(happenings: list[Happening]) -> None:
    """Against a mailbox that is never wrong: what is told is what lies there behind the last one that is done."""
    deliveries, count, sequence = Deliveries(), 0, 0
    waiting: dict[str, list[int]] = {mailbox: [] for mailbox in CARTS}
    through = dict.fromkeys(CARTS, 0)
    for what, number in happenings:
        mailbox = CARTS[number % 2]
        first = waiting[mailbox][:1]
        if what in {"come", "lose"}:
            count, sequence = count + 1, sequence + 1
            waiting[mailbox].append(sequence)
            if what == "come":
                deliveries.take(delivery(count, sequence, mailbox=mailbox))
        elif what == "again" and first:
            count += 1
            deliveries.take(delivery(count, first[0], mailbox=mailbox, attempt=2))
        elif what == "done" and first:
            with deliveries.handling(delivery(0, first[0], mailbox=mailbox)):
                through[mailbox] = waiting[mailbox].pop(0)
        elif what == "fail" and first:
            with pytest.raises(RuntimeError), deliveries.handling(delivery(0, first[0], mailbox=mailbox)):
                raise RuntimeError
        for one in CARTS:
            known = told(deliveries, through[one], one)
            # A loss is noticed with the next delivery; until then, what is told lacks only what comes behind it.
            assert known is None or known == waiting[one][: len(known)]
