"""CloudEvents 1.0 over NATS, binary mode: what stands in the headers beside every public event's body."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from towpath_schemas.attribution import Attribution
from towpath_schemas.shape import Shape

PAYLOAD_HEADER = "Towpath-Payload"
"""Says, with any value, that the body is not the event's own but a `PayloadStored` that names it."""
AGAIN_HEADER = "Towpath-Again"
"""Says, with any value, that what the message asks for may have been stored before, or done."""

_UNQUOTED = "!#$&'()*+,/:;<=>?@[]^_`{|}~-."
_ATTRIBUTION_HEADERS = {
    "tenant": "ce-tenant",
    "user_id": "ce-userref",
    "user_role": "ce-userrole",
    "agent": "ce-agentname",
    "agent_id": "ce-agentid",
    "session_id": "ce-sessionid",
    "workflow_id": "ce-workflowid",
}
_NOT_PLAIN = re.compile(r"(nats-|ce-|towpath-)|(traceparent|tracestate|baggage)$")
_CREDENTIAL = re.compile(r"authoriz|authentic|cookie|token|secret|password|api-?key")


class Envelope(Shape):
    """The CloudEvents attributes of one event.

    Attributes:
        id: Unique for the source; derived where a repetition must be recognised.
        type: `io.towpath.<kind>.<action>.v1`.
        source: `/towpath/<service>/<instance>`.
        time: RFC 3339, UTC.
        traceparent: W3C trace context of whoever caused the event.
        correlation_id: Id of the request that everything of a run goes back to.
        run_id: The run that the event belongs to.
        attribution: On whose behalf; absent on a request, where only the router may say so.
    """

    id: str
    type: str
    source: str
    time: str
    traceparent: str | None = None
    correlation_id: str | None = None
    run_id: str | None = None
    attribution: Attribution | None = None

    def headers(self) -> dict[str, str]:
        """Write the message headers; values are percent-encoded as the binding asks."""
        named = {
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": self.type,
            "ce-source": self.source,
            "ce-time": self.time,
            "ce-datacontenttype": "application/json",
            "ce-correlationid": self.correlation_id,
            "ce-runid": self.run_id,
            "ce-traceparent": self.traceparent,
            **self._attribution_headers(),
        }
        written = {name: quote(value, safe=_UNQUOTED) for name, value in named.items() if value}
        return written if self.traceparent is None else {**written, "traceparent": self.traceparent}

    def _attribution_headers(self) -> dict[str, str | None]:
        if self.attribution is None:
            return {}
        return {header: getattr(self.attribution, field) for field, header in _ATTRIBUTION_HEADERS.items()}


def header_value(headers: Mapping[str, str] | None, name: str) -> str | None:
    """Read one header, undoing the percent-encoding; None where it is absent or empty."""
    raw = (headers or {}).get(name)
    if not raw:
        return None
    return unquote(raw, errors="replace").encode(errors="replace").decode() or None


def senders_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick the headers that a message's sender meant for its receivers: what was meant for the broker held once.

    >>> senders_headers({"ce-id": "1", "Nats-Msg-Id": "m-1"})
    {'ce-id': '1'}
    """
    return {name: value for name, value in headers.items() if not name.lower().startswith("nats-")}


def plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick what a sender says in words of its own, names in lower case: no envelope, no trace, and no credentials.

    >>> plain_headers({"User-Agent": "curl/8", "ce-id": "1", "Authorization": "Bearer x"})
    {'user-agent': 'curl/8'}
    """
    lowered = {name.lower(): value.encode(errors="replace").decode() for name, value in headers.items()}
    return {
        name: value
        for name, value in lowered.items()
        if not _NOT_PLAIN.match(name) and not _CREDENTIAL.search(name)
    }


def claimed_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Pick the attribution headers that a message carries; at the edge nobody vouches for them."""
    return {
        header: value
        for header in (*_ATTRIBUTION_HEADERS.values(), "ce-runid", "ce-stepid", "ce-identitysource")
        if (value := header_value(headers, header))
    }
