"""Hands new runs to their runners."""

from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched
from towpath_schemas.journal import RunStarted

_SENT_ALONG_BYTES = 64 * 1024


class Dispatcher:
    """Dispatches runs that nobody has begun; dispatching one twice is harmless, since the claim decides."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def dispatch(self, run_id: str, service: str, written: RunStarted | None = None) -> None:
        """Dispatch a run to the runners of `service`.

        Its first entry goes along where it is `written` just now, is all there is, and is small: JSON in JSON may
        double in size.
        """
        entry = written.to_body() if written else b""
        sent_along = entry.decode() if 0 < len(entry) <= _SENT_ALONG_BYTES else None
        dispatched = RunDispatched(run_id=run_id, reason="start", first_entry=sent_along)
        subject = subjects.dispatch("start", service)
        await self._js.publish(subject, dispatched.to_body(), message_id=f"{run_id}:start")
