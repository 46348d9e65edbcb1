"""What goes wrong at the server: answers that never come, and acknowledgements that are never heard."""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """How likely each thing is, from 0 to 1; may be changed at any time.

    Attributes:
        lost_answers: A publish is stored or an API call done, and whoever asked is never told; or a delivery is
            lost, and comes again when its time is up.
        lost_acks: An acknowledgement is not heard, so the message is delivered again.
    """

    lost_answers: float = 0.0
    lost_acks: float = 0.0

    def loses_answer(self, chance: random.Random) -> bool:
        """Draw whether an answer is lost."""
        return self.lost_answers > 0 and chance.random() < self.lost_answers

    def loses_ack(self, chance: random.Random) -> bool:
        """Draw whether an acknowledgement is lost."""
        return self.lost_acks > 0 and chance.random() < self.lost_acks
