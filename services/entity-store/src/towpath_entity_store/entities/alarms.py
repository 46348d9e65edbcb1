"""Alarms: broker schedules that ring in the mailboxes of entities when their states expire. Nobody looks or counts time."""

from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import EXPIRE, EntityName, InvocationRequested

_BY = "towpath.expiry"


class Alarms:
    """Sets alarms; another one for the same entity replaces the one before."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def arm(self, name: EntityName, at: float) -> None:
        """Have the broker ring at a moment, in seconds since 1970.

        Raises:
            BrokerError: If it did not take the alarm.
        """
        body = _alarm(name, at).to_body()
        await self._js.schedule(name.alarm, target=name.mailbox, body=body, at=at)


def _alarm(name: EntityName, at: float) -> InvocationRequested:
    alarm_id = identity.derived_id("expiry", *name, repr(at))
    return InvocationRequested(
        invocation_id=alarm_id,
        run_id=alarm_id,
        key="expiry",
        service="",
        entity_type=name.entity_type,
        entity_key=name.key,
        method=EXPIRE,
        attribution=Attribution(tenant=name.tenant, agent=_BY),
        correlation_id=alarm_id,
        reply_to=f"_INBOX.{alarm_id}",  # where nobody listens
    )
