"""What waits in an entity's mailbox, in the order in which it was accepted."""

from typing import NamedTuple

import structlog

from towpath_chassis.errors import PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_chassis.payloads import size_whole
from towpath_entity_store.entities.entity import Entity
from towpath_schemas.entities import EXPIRE, InvocationRequested
from towpath_schemas.streams import ENTITIES
from towpath_schemas.transactions import TRANSACTION

log = structlog.get_logger(__name__)


class Letter(NamedTuple):
    """One invocation in a mailbox."""

    sequence: int
    invocation: InvocationRequested

    @property
    def stands_alone(self) -> bool:
        """Whether it is a turn of its own."""
        return self.invocation.method in {TRANSACTION, EXPIRE}


class Mail(NamedTuple):
    """Invocations for one turn; once they are committed, everything up to `through` is done."""

    letters: tuple[Letter, ...]
    through: int

    def first(self, count: int) -> "Mail":
        """Take only the first `count` letters."""
        letters = self.letters[:count]
        return Mail(letters, letters[-1].sequence)


async def unread(js: JetStream, mailbox: str, entity: Entity, *, limit: int) -> list[StoredMessage]:
    """Read what waits in the mailbox of `entity`."""
    return await js.following(ENTITIES, mailbox, start=entity.through + 1, limit=limit, whole=False)


async def mail_of(js: JetStream, stored: list[StoredMessage], entity: Entity, *, limit_bytes: int) -> Mail:
    """Take of what waits for `entity` as many invocations of one service as the limit allows, at least one.

    Invocations that have an outcome already are skipped, and so is what cannot be read.
    """
    letters: dict[str, Letter] = {}
    through, service, size = entity.through, None, 0
    for message in stored:
        if letters and size + size_whole(message) > limit_bytes:
            break
        letter = await _letter(js, message)
        if letter is not None and not _is_repeated(letter, entity, letters):
            size += size_whole(message)
            service = service or letter.invocation.service
            if letter.invocation.service != service or (letters and letter.stands_alone):
                break
            letters[letter.invocation.invocation_id] = letter
        through = message.sequence
        if letter is not None and letter.stands_alone:
            break
    return Mail(tuple(letters.values()), through)


def _is_repeated(letter: Letter, entity: Entity, letters: dict[str, Letter]) -> bool:
    invocation_id = letter.invocation.invocation_id
    return invocation_id in entity.remembered or invocation_id in letters


def invocation_in(mailbox: str, body: bytes) -> InvocationRequested:
    """Read an invocation.

    Raises:
        ValueError: If it is none, or is of another entity than the one whose mailbox it was in.
    """
    invocation = InvocationRequested.from_body(body)
    if invocation.entity.mailbox != mailbox:
        raise ValueError(f"it calls {invocation.entity}, whose mailbox is {invocation.entity.mailbox!r}")
    return invocation


async def _letter(js: JetStream, message: StoredMessage) -> Letter | None:
    try:
        whole = await js.whole_stored(message)
        invocation = invocation_in(message.subject, whole.body)
    except (ValueError, PayloadLostError):  # its doorbell buries it with the reason
        log.warning("an invocation cannot be read", subject=message.subject, sequence=message.sequence)
        return None
    return Letter(message.sequence, invocation)
