"""Which code of a service is deployed: its editions, those who run one, and which of them the catalogue describes.

An edition is what runners of the same code offer. They are in the order in which each was seen first, so that an old
runner that starts again stays behind a newer one. Whether somebody runs one is asked, and answered at once.
"""

from contextlib import suppress
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from towpath_chassis.digests import canonical
from towpath_chassis.errors import AlreadyWrittenError, FencedError, NoResponderError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, StoredMessage
from towpath_schemas import subjects
from towpath_schemas.components import CodeOffered, ComponentDescribed, EditionSeen, ServiceRegistered
from towpath_schemas.envelope import header_value
from towpath_schemas.identity import derived_id
from towpath_schemas.journal import RunStarted
from towpath_schemas.streams import CATALOGUE

_ANSWERS_WITHIN_S = 1.0
_KEPT = 100


class Described(NamedTuple):
    """The edition of a service that the catalogue describes, and at which place in its stream."""

    edition: str | None
    sequence: int


class _Known(NamedTuple):
    edition: str
    sequence: int
    offers: tuple[CodeOffered, ...]


def edition_of(registered: ServiceRegistered) -> str:
    """Derive the id of an edition from all that it offers.

    The defaults of parameters are left out: each process may make its own, such as a moment, or a set in another order.
    """
    offered = _without_defaults(registered.model_dump(mode="json", exclude_none=True))
    return derived_id("edition", registered.service, canonical(offered).decode())


def _without_defaults(described: Any) -> Any:
    if isinstance(described, list):
        return [_without_defaults(one) for one in cast("list[Any]", described)]
    if isinstance(described, dict):
        named = cast("dict[str, Any]", described)
        return {name: _without_defaults(one) for name, one in named.items() if name != "default"}
    return described


class Editions:
    """The editions of one service."""

    def __init__(self, js: JetStream, service: str) -> None:
        self._js = js
        self._service = service

    async def add(self, registered: ServiceRegistered) -> None:
        """Note an edition when it is seen first; the oldest of very many are forgotten.

        Raises:
            BrokerError: If it is not known whether it is noted.
        """
        known = await self._known()
        edition = edition_of(registered)
        if any(one.edition == edition for one in known):
            return
        offers = tuple(_code(one) for one in registered.components)
        try:
            subject = subjects.edition(self._service, edition)
            await self._js.publish(subject, EditionSeen(offers=offers).to_body(), expect=Expect(0))
        except (FencedError, AlreadyWrittenError):
            return  # another runner was faster
        await self._js.delete(CATALOGUE, *(one.sequence for one in known[: 1 - _KEPT]))

    async def is_newest(self, edition: str) -> bool:
        """Tell whether nobody runs an edition that is newer.

        Raises:
            BrokerError: If the broker could not be asked.
        """
        known = [one.edition for one in await self._known()]
        newer = known[known.index(edition) + 1 :] if edition in known else []
        for one in reversed(newer):
            if await self._is_run(one):
                return False
        return True

    async def described(self) -> Described:
        """Tell what the catalogue describes.

        Raises:
            BrokerError: If the broker could not be asked.
        """
        newest = await self._js.last(CATALOGUE, subjects.catalogue(self._service), whole=False)
        if newest is None:
            return Described(None, 0)
        return Described(header_value(newest.headers, "ce-id"), newest.sequence)

    async def offer(self, *codes: CodeOffered) -> bool:
        """Tell whether any of some code is deployed: an edition has it that somebody runs, or the catalogue describes.

        Code without a version is any; an edition has an entity's code if it has all of the methods.

        Raises:
            BrokerError: If the broker could not be asked.
        """
        described, _ = await self.described()
        for one in reversed(await self._known()):
            if any(_is_among(code, one.offers) for code in codes) and (
                one.edition == described or await self._is_run(one.edition)
            ):
                return True
        return False

    async def _known(self) -> list[_Known]:
        """Read the editions, the one that was seen first before the others."""
        stored = await self._js.newest_of_each(CATALOGUE, subjects.editions_of(self._service))
        return [_known(one) for one in sorted(stored, key=lambda one: one.sequence)]

    async def _is_run(self, edition: str) -> bool:
        """Tell whether somebody listens for it; one that is too busy to answer is still there."""
        subject = subjects.serving(self._service, edition)
        try:
            with suppress(UnconfirmedError):
                await self._js.request(subject, b"", within_s=_ANSWERS_WITHIN_S)
        except NoResponderError:
            return False
        return True


def _known(stored: StoredMessage) -> _Known:
    """Read an edition; of one that cannot be read, nobody knows what it offers."""
    try:
        offers = EditionSeen.from_newer_body(stored.body).offers
    except ValidationError:
        offers = ()
    return _Known(subjects.read_edition(stored.subject), stored.sequence, offers)


def _code(described: ComponentDescribed) -> CodeOffered:
    return CodeOffered(
        kind=described.kind,
        name=described.name,
        version=described.version,
        methods=tuple(method.name for method in described.methods),
    )


def _is_among(code: CodeOffered, offers: tuple[CodeOffered, ...]) -> bool:
    return any(
        (one.kind, one.name) == (code.kind, code.name)
        and code.version in {None, one.version}
        and {*code.methods} <= {*one.methods}
        for one in offers
    )


async def undeployed(js: JetStream, started: RunStarted) -> str | None:
    """Say why nobody can go on with a run: the version of the code with which it began is deployed nowhere.

    Raises:
        BrokerError: If the broker could not be asked.
    """
    if started.version is None or await Editions(js, started.service).offer(code_of(started)):
        return None
    return (
        f"service {started.service!r} has no {started.component_kind} {started.component!r} of version "
        f"{started.version} deployed, with which the run began; deploy it beside the newer one"
    )


def code_of(started: RunStarted) -> CodeOffered:
    """Name the code that a run needs."""
    return CodeOffered(kind=started.component_kind, name=started.component, version=started.version)
