"""What has come for a run from outside, as its journal has it: signals, wishes that it end or stand still. No I/O."""

from typing import Any, NamedTuple

from towpath_schemas.calls import ControlSent
from towpath_schemas.journal import (
    CallSettled,
    CancelReceived,
    JournalRecord,
    PauseReceived,
    RunStarted,
    SignalReceived,
    SignalReturned,
)
from towpath_schemas.succession import heard_digest


class KeptSignal(NamedTuple):
    """A signal that came and that no wait has got.

    Attributes:
        came_at: The place of the first record of it in the journal: signals of a name are taken in this order.
    """

    signal_id: str
    name: str
    payload: Any
    came_at: int


class Incoming:
    """The signals and wishes that came for one run, each taken once.

    Attributes:
        cancelling: The record of the first wish that the run end, and its place in the journal.
        unpaused_at: When it was last paused, or told to go on, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.cancelling: tuple[int, CancelReceived] | None = None
        self.unpaused_at = 0.0
        self._paused = False
        self._signals: dict[str, KeptSignal] = {}
        self._came_at: dict[str, int] = {}
        self._heard_before = frozenset[str]()

    # --- Records ----------------------------------------------------------------------------------

    def add(self, number: int, record: JournalRecord) -> None:
        """Learn a record that is in the journal, at place `number`."""
        match record:
            case SignalReceived():
                self._keep(number, record.signal_id, record.name, record.payload)
            case CallSettled(source=str(signal_id)):
                self._came_at.setdefault(signal_id, number)
                self.claim(signal_id)
            case CancelReceived():
                self._came_at.setdefault(record.event_id, number)
                self.cancelling = self.cancelling or (number, record)
            case PauseReceived():
                self._came_at.setdefault(record.event_id, number)
                self._paused, self.unpaused_at = record.paused, record.at
            case RunStarted():
                self._heard_before = frozenset(record.line.heard if record.line else ())
            case _:
                pass

    def take_back(self, number: int, returned: SignalReturned, payload: Any) -> None:
        """Keep a signal again which a wait had got, before those that came after it."""
        self._keep(number, returned.signal_id, returned.name, payload)
        self._signals = dict(sorted(self._signals.items(), key=lambda kept: kept[1].came_at))

    def _keep(self, number: int, signal_id: str, name: str, payload: Any) -> None:
        came_at = self._came_at.setdefault(signal_id, number)
        self._signals.setdefault(signal_id, KeptSignal(signal_id, name, payload, came_at))

    # --- What is asked about them -----------------------------------------------------------------

    def kept_signal(self, name: str) -> KeptSignal | None:
        """Find the earliest signal of this name that no wait has got."""
        return next((kept for kept in self._signals.values() if kept.name == name), None)

    def claim(self, signal_id: str) -> None:
        """Give a kept signal to a wait that is settled with it."""
        self._signals.pop(signal_id, None)

    def is_new(self, event_id: str) -> bool:
        """Tell whether neither this run nor one that it goes on from has taken an event."""
        if event_id in self._came_at:
            return False
        return not self._heard_before or heard_digest(event_id) not in self._heard_before

    @property
    def paused(self) -> bool:
        """Whether the run is to stand still; one that is to end is not, so that it can clean up."""
        return self._paused and self.cancelling is None

    @property
    def has_come(self) -> bool:
        """Whether a signal or a wish came: a run that goes on from this one takes it, or must not; see `succession`."""
        return bool(self._came_at)

    def control_reception(self, sent: ControlSent, at: float) -> CancelReceived | PauseReceived | None:
        """Turn a wish into the record that says so; None if it changes nothing."""
        said = {"at": at, "event_id": sent.event_id, "reason": sent.reason, "attribution": sent.attribution}
        if sent.control == "cancel":
            return None if self.cancelling else CancelReceived.model_validate(said)
        paused = sent.control == "pause"
        changes = paused != self.paused and self.cancelling is None
        return None if not changes else PauseReceived.model_validate({**said, "paused": paused})
