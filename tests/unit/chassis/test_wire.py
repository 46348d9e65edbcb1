"""Our faster way of reading headers reads what nats-py reads."""

from hypothesis import given, strategies as st
from nats.aio.client import Client

from towpath_chassis.wire import Outgoing, _command, header_lines, size_of

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1)
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(st.dictionaries(NAMES, VALUES))
def test_headers_are_read_as_nats_py_reads_them(headers: dict[str, str]) -> None:
    raw = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"

    assert header_lines(raw) == Client._parse_header_lines(raw)


@given(st.text(st.sampled_from("ab :\t\r\n")))
def test_odd_lines_are_read_as_nats_py_reads_them(text: str) -> None:
    raw = text.encode()

    read = Client._parse_header_lines(raw)
    read.pop("", None)  # a line without a name: nobody can ask for it

    assert header_lines(raw) == read


@given(st.dictionaries(NAMES, VALUES), st.binary())
def test_the_size_of_a_message_is_what_the_broker_is_told(headers: dict[str, str], body: bytes) -> None:
    told = _command(Outgoing("a", headers, body)).split(b"\r\n", 1)[0]

    assert int(told.split()[-1]) == size_of(headers, body)
    assert size_of(None, body) == len(body)
