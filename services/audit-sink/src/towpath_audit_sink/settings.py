"""What the audit-sink can be told from outside."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from towpath_chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of the audit-sink.

    Attributes:
        ledger_dir: Where the ledger is kept; None for no ledger.
        batch: How many journal records are told before the broker is asked whether it has them.
        remembered_runs: Of how many runs it is remembered for whom they are; others are looked up again.
    """

    ledger_dir: Path | None = None
    batch: Annotated[int, Field(ge=1, le=4_096)] = 256
    remembered_runs: Annotated[int, Field(ge=1)] = 20_000
