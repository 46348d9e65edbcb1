"""What the broker can say to a publisher or reader, as exceptions.

BrokerError
|- NotStoredError            the broker refused the message: it is certainly not stored
|   |- FencedError           an expectation did not hold: somebody else was first
|   |- AlreadyWrittenError   a write-once subject has its message
|   `- UnsendableError       it cannot be sent as it is: too large, or to a subject that is none
|- UnconfirmedError          no answer came: the message may or may not be stored
|- NoResponderError          a request found nobody who listens
|- PayloadLostError          what a message names is not kept any more, or is damaged
`- BrokerRefusedError        an API call was refused; carries the broker's code
"""


class BrokerError(Exception):
    """The root of what the broker can say."""


class NotStoredError(BrokerError):
    """The broker refused the message; it is certainly not stored."""


class FencedError(NotStoredError):
    """An expected sequence did not hold: somebody else was first."""


class AlreadyWrittenError(NotStoredError):
    """The subject is write-once and has its message already."""


class UnsendableError(NotStoredError):
    """The message cannot be sent as it is, today or tomorrow: it is too large, or its subject or a header is none."""


class UnconfirmedError(BrokerError):
    """No answer came; whether the message is stored is not known."""


class NoResponderError(BrokerError):
    """A request found nobody who listens on its subject."""


class PayloadLostError(BrokerError):
    """A message names a payload that is not kept any more, or is damaged; asking again will not bring it back."""


class BrokerRefusedError(BrokerError):
    """An API call was refused.

    Attributes:
        code: JetStream's error code, such as 10058.
    """

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} ({code})")
        self.code = code
