"""The dead letters of a platform: looks at them, and has their messages published again."""

from collections.abc import Iterable
from datetime import datetime

from towpath.client.door import Door
from towpath.errors import UnavailableError, UnknownLetterError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import Letter, letter_at, letters, newest_letters, redriven
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.dead import DeadLetter, LetterFilter, LetterView
from towpath_schemas.requests import RedriveRequested
from towpath_schemas.streams import DEAD

_AT_ONCE = 200


class DeadLetters:
    """What could not be handled; made by a client, as `client.dead`."""

    def __init__(self, js: JetStream, door: Door, *, patience_s: float) -> None:
        self._js = js
        self._door = door
        self._patience_s = patience_s

    async def letters(
        self,
        *,
        stream: str | None = None,
        subject: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
        tenant: str | None = None,
        with_redriven: bool = False,
        limit: int = 50,
    ) -> tuple[LetterView, ...]:
        """List dead letters, newest first; those that are too large for one message without headers and body.

        Args:
            stream: Only about messages that were in this stream.
            subject: Only about messages published there; a subject, or a pattern as the broker has them.
            reason: Only with this text in their reason, in capitals or not.
            since: Only those kept at this time or later.
            tenant: Only of this tenant; `_` for those of which nobody knows whose they are.
            with_redriven: Also those whose messages were published again.
            limit: How many at the most.

        Raises:
            UnavailableError: If the broker does not answer.
        """
        found: list[LetterView] = []
        try:
            async for page in newest_letters(self._js, _filter(stream, subject, reason, since)):
                views = await self._views(one for one in page if tenant in {None, one.letter.tenant})
                found += [view for view in views if with_redriven or view.redriven_at is None]
                if len(found) >= limit:
                    break
        except BrokerError as error:
            raise _unreadable(error) from error
        return tuple(found[:limit])

    async def letter(self, place: int) -> LetterView:
        """Show a dead letter, whole.

        Raises:
            UnknownLetterError: If there is none at this place.
            UnavailableError: If the broker does not answer.
        """
        try:
            (view,) = await self._views([Letter(place, await self._at(place))])
        except BrokerError as error:
            raise _unreadable(error) from error
        return view

    async def redrive(self, place: int, *, attribution: AttributionClaim | None = None) -> bool:
        """Publish the message of a dead letter again; False where that had been done before.

        Args:
            place: Its place in DEAD, as a list shows it.
            attribution: Who asks; it is audited.

        Raises:
            UnknownLetterError: If there is none at this place.
            RequestRefusedError: If its message cannot be published again.
            UnavailableError: If the broker or the router does not answer.
        """
        try:
            letter = await self._at(place)
        except BrokerError as error:
            raise _unreadable(error) from error
        asked = RedriveRequested(attribution=attribution)
        return bool(await self._ask(str(place), asked, letter.tenant))

    async def redrive_all(
        self,
        *,
        stream: str | None = None,
        subject: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> tuple[int, ...]:
        """Publish again, in their order, the messages of all dead letters that are meant and were not redriven before.

        Args: see `letters` and `redrive`.

        Returns:
            The places of those that were redriven. One that is given up again has a new letter, which is not among
            those that are meant.

        Raises:
            UnavailableError: If the broker or the router does not answer; a part may be done.
        """
        only = _filter(stream, subject, reason, since)
        try:
            through = await self._js.last_sequence(DEAD)
            tenants = [tenant] if tenant is not None else await self._tenants(only, through)
        except BrokerError as error:
            raise _unreadable(error) from error
        asked = RedriveRequested(only=only, through=through, limit=_AT_ONCE, attribution=attribution)
        return tuple(sorted([place for one in tenants for place in await self._redrive_of(one, asked)]))

    async def _redrive_of(self, tenant: str, asked: RedriveRequested) -> list[int]:
        done: list[int] = []
        while page := await self._ask("all", asked, tenant):
            done += page
            asked = asked.model_copy(update={"after": max(page)})
        return done

    async def _ask(self, target: str, asked: RedriveRequested, tenant: str) -> list[int]:
        done = await self._door.ask("redrive", target, asked, tenant=tenant, within_s=self._patience_s)
        return [int(place) for place in done.targets]

    async def _tenants(self, only: LetterFilter, through: int) -> Iterable[str]:
        """Tell whose letters are meant, in the order of their first ones."""
        pages = letters(self._js, only, through=through)
        return dict.fromkeys([one.letter.tenant async for page in pages for one in page])

    async def _at(self, place: int) -> DeadLetter:
        letter = await letter_at(self._js, place)
        if letter is None:
            raise UnknownLetterError(place)
        return letter

    async def _views(self, found: Iterable[Letter]) -> Iterable[LetterView]:
        chosen = [*found]
        records = await redriven(self._js, [one.letter for one in chosen])
        return [
            LetterView(
                place=one.place,
                letter=one.letter,
                redriven_at=record.at if (record := records.get(one.letter.letter_id)) else None,
                redriven_by=record.attribution if record else None,
            )
            for one in chosen
        ]


def _filter(
    stream: str | None, subject: str | None, reason: str | None, since: datetime | None
) -> LetterFilter:
    since_s = since.timestamp() if since else None
    return LetterFilter(stream=stream, subject=subject, reason=reason, since=since_s)


def _unreadable(error: BrokerError) -> UnavailableError:
    return UnavailableError(f"the dead letters cannot be read now: {error}")
