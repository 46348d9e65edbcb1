"""Calls of entities at the public door: brought to the entity, which answers the requester itself."""

from towpath_chassis.jetstream import JetStream
from towpath_router.catalogue import Catalogue
from towpath_router.requests import Asked, RefusedError
from towpath_schemas import identity
from towpath_schemas.entities import STATE, EntityName, InvocationRequested
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large
from towpath_schemas.requests import EntityCallRequested


class EntityCalls:
    """Sends calls to the mailboxes of entities, and those of shared methods to whoever reads entities."""

    def __init__(self, js: JetStream, catalogue: Catalogue) -> None:
        self._js = js
        self._catalogue = catalogue

    async def call(self, asked: Asked[EntityCallRequested]) -> None:
        """Call a method.

        Raises:
            RefusedError: If no service has the entity, or it has no such method.
            UnconfirmedError: If the broker could not be reached.
        """
        _check_key(asked)
        service, shared = await self._method(asked)
        invocation = _invocation(asked, service)
        body = invocation.to_body()
        if len(body) > MAX_PAYLOAD_BYTES:
            excess = too_large("the call with its arguments", len(body))
            raise RefusedError(excess.code, excess.message)
        if shared:  # nothing is lost if nobody hears it: whoever asked asks again
            await self._js.tell(invocation.entity.readings, body, reply_to=asked.said.reply_to or "")
        else:
            message_id = f"{invocation.invocation_id}:{asked.request.own_id}:{asked.at}"
            await self._js.publish(invocation.entity.mailbox, body, message_id=message_id)

    async def _method(self, asked: Asked[EntityCallRequested]) -> tuple[str, bool]:
        """Tell which service has the method, and whether it only reads."""
        if asked.said.method == STATE:
            return "", True
        found = await self._catalogue.find_entity(asked.target, asked.said.method)
        if found is None:
            raise RefusedError("unknown_component", self._catalogue.unknown_entity(asked.target))
        shared = found.methods.get(asked.said.method)
        if shared is None:
            known = ", ".join(sorted(found.methods)) or "none"
            message = f"entity {asked.target!r} has no method {asked.said.method!r}; there are: {known}"
            raise RefusedError("unknown_component", message)
        return found.service, shared


def _check_key(asked: Asked[EntityCallRequested]) -> None:
    try:
        EntityName.checked(asked.tenant, asked.target, asked.said.key)
    except ValueError as error:
        raise RefusedError("invalid_input", str(error)) from error


def _invocation(asked: Asked[EntityCallRequested], service: str) -> InvocationRequested:
    said = asked.said
    once = said.idempotency_key or asked.own_id
    call_id = identity.entity_call_id(asked.tenant, asked.target, said.key, said.method, once)
    return InvocationRequested(
        invocation_id=call_id,
        run_id=call_id,
        key="call",
        service=service,
        entity_type=asked.target,
        entity_key=said.key,
        method=said.method,
        arguments=said.arguments,
        attribution=asked.by,
        agent=asked.by.agent,
        correlation_id=asked.own_id,
        traceparent=asked.traceparent,
        reply_to=said.reply_to or f"_INBOX.{call_id}",  # where nobody listens
    )
