"""Calling entities."""

from typing import Any, TypedDict, Unpack

from towpath.asking import asking
from towpath.client.connection import Connection
from towpath.entity_handle import EntityHandle, entity_name
from towpath.failures import component_error
from towpath.values import to_json_value
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.entities import STATE
from towpath_schemas.requests import EntityCallRequested

_TENANT = "default"
_WITHIN_S = 60.0


class CallOptions(TypedDict, total=False):
    """What may be said about a call beside what is called.

    Attributes:
        tenant: Whose entity it is; `default`, if not given.
        idempotency_key: Calls of one method of the entity with the same key are one call, as long as the entity
            remembers its outcome: for 1,000 later writes of the same entity (`remembered_outcomes` of the entity store),
            or fewer where their results are large. A key that comes later is a new call. None: each is a call of its own.
        attribution: Who is behind the call.
        timeout_s: Seconds to wait for the outcome of a call; 60, if not given.
    """

    tenant: str
    idempotency_key: str | None
    attribution: AttributionClaim | None
    timeout_s: float


class Entities(Connection):
    """The part of a client that calls entities."""

    def entity(self, entity_type: str, key: str, **options: Unpack[CallOptions]) -> EntityHandle:
        """Name an entity; the handle's methods are the entity's: `await client.entity("Counter", "a").add(1)`.

        A call raises `ComponentError` if the method failed, `RequestRefusedError` if the platform says no, and
        `UnavailableError` if there is no outcome in time; a write that reached the broker is done all the same.

        Args:
            entity_type: The name of its type.
            key: Which one of them.
            **options: See `CallOptions`.

        Raises:
            InvalidInputError: If nothing can be called so.
        """
        entity_name(options.get("tenant", _TENANT), entity_type, key)
        return EntityHandle(
            lambda method, payload: self.call_entity(entity_type, key, method, payload, **options)
        )

    async def call_entity(
        self, entity_type: str, key: str, method: str, arguments: Any = None, **options: Unpack[CallOptions]
    ) -> Any:
        """Call the method of a name, with an object of its parameters or the value of its only one; see `entity`."""
        tenant = options.get("tenant", _TENANT)
        entity_name(tenant, entity_type, key)
        asked = asking(
            EntityCallRequested,
            key=key,
            method=method,
            arguments=to_json_value(arguments),
            idempotency_key=options.get("idempotency_key"),
            attribution=options.get("attribution"),
        )
        within_s = options.get("timeout_s", _WITHIN_S)
        answer = await self._opened.call_entity(entity_type, asked, tenant=tenant, within_s=within_s)
        if answer.failure is not None:
            raise component_error(answer.failure)
        return answer.result

    async def entity_state(
        self, entity_type: str, key: str, *, tenant: str = _TENANT, timeout_s: float = _WITHIN_S
    ) -> dict[str, Any]:
        """Read the whole state that an entity's last write has committed; empty where there is none.

        Raises:
            InvalidInputError: If nothing can be called so.
            UnavailableError: If nobody says in time.
        """
        return await self.call_entity(entity_type, key, STATE, tenant=tenant, timeout_s=timeout_s)
