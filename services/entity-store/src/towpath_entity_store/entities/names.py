"""How one entity is named, and where that name puts its mailbox and its log."""

from typing import NamedTuple

from towpath_schemas import subjects


class EntityName(NamedTuple):
    """One entity."""

    entity_type: str
    key: str

    @classmethod
    def of_mailbox(cls, subject: str) -> "EntityName":
        """Tell whose mailbox a subject is.

        Raises:
            ValueError: If it is none, or another partition's than the entity's.
        """
        name = cls(*subjects.read_mailbox(subject))
        if name.mailbox != subject:
            raise ValueError(f"{subject!r} is not the mailbox of {name}, which is {name.mailbox!r}")
        return name

    @property
    def mailbox(self) -> str:
        """Where its writes wait."""
        return subjects.mailbox(*self)

    @property
    def partition(self) -> int:
        """Which partition it belongs to."""
        return subjects.partition_of(*self)

    @property
    def records(self) -> str:
        """Match every record of its log."""
        return subjects.entity_logs_of(*self)

    def record(self, number: int) -> str:
        """Where record `number` of its log is written, once."""
        return subjects.entity_log(*self, number)

    @property
    def payload_owner(self) -> str:
        """Whose the payloads are that its log names."""
        return subjects.payload_owner_of(*self)

    def __str__(self) -> str:
        return f"{self.entity_type}/{self.key}"
