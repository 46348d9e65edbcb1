"""Keeps the catalogue up with what services register, and tells those who depend on it.

The stream is read on from where the catalogue was read. To listen to its subjects would not do: what is heard there may
not be stored yet, and nobody hears what comes before the router listens, or while its connection is away.
"""

import asyncio
from collections.abc import Callable

import structlog

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.reading import Got, reading
from towpath_router.catalogue import Catalogue
from towpath_schemas import subjects
from towpath_schemas.streams import CATALOGUE

log = structlog.get_logger(__name__)

_RETRY_S = 0.2


class Registrations:
    """What services register, as it comes."""

    def __init__(
        self,
        js: JetStream,
        catalogue: Catalogue,
        *,
        on_registered: Callable[[], None],
        on_other_rules: Callable[[], None],
    ) -> None:
        """Make it of a catalogue that was loaded.

        Args:
            js: The connection.
            catalogue: What is kept up.
            on_registered: Told of every registration, once the catalogue has it.
            on_other_rules: Told when a component declares other limits than before.
        """
        self._js = js
        self._catalogue = catalogue
        self._on_registered = on_registered
        self._on_other_rules = on_other_rules
        self._rules = catalogue.rules

    async def keep_up(self) -> None:
        """Take in registrations, for ever."""
        start = self._catalogue.read_through + 1
        self._tell()  # others may have loaded the catalogue before this began, or began again
        async with reading(
            self._js, CATALOGUE, subjects.EVERY_REGISTRATION, start=start, whole=False
        ) as registrations:
            async for some in registrations:
                await self._learn(some)
                self._tell()

    async def _learn(self, some: list[Got]) -> None:
        while True:
            try:
                await self._catalogue.learn(some)
            except BrokerError as error:
                log.info("what was registered cannot be read now", reason=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def _tell(self) -> None:
        """Tell of what is new, whoever read it: a request may have come before its turn was here."""
        self._on_registered()
        before, self._rules = self._rules, self._catalogue.rules
        if self._rules != before:
            self._on_other_rules()
