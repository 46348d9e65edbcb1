"""Whether a call that needs a person's yes has one: what the journal of its run says.

Only the holder of a run's claim writes its journal, so a message in TOOLS that somebody else made up has no intent
there, and one that is repeated is the same call. A yes counts once: the nth intent of a tool with the same arguments
needs n of them. Where the code of the run has set a handler of its own (`confirming`), the yes is a step of the run; that
code is the app's, as the tool is.
"""

from collections.abc import Iterable
from typing import Any, cast

from towpath.tools.confirmation import CONFIRM, call_sha256
from towpath_schemas.calls import CallRequested
from towpath_schemas.journal import CallIntended, CallSettled, JournalRecord, StepSettled


def is_confirmed(journal: Iterable[JournalRecord], call: CallRequested) -> bool:
    """Tell whether the journal of a run has the intent of a call, and before it a yes that no other call has used."""
    digest = call_sha256(call.name, call.arguments)
    asked: set[str] = set()
    unused = 0
    for record in journal:
        match record:
            case CallIntended(act="approval", input={"content_sha256": sha256}) if sha256 == digest:
                asked.add(record.key)
            case CallSettled(act="approval") if record.key in asked:
                unused += _says_yes(record.result)
            case StepSettled(result={"content_sha256": sha256}) if sha256 == digest and _is_confirming(
                record
            ):
                unused += _says_yes(record.result)
            case CallIntended() if _is_of(record, call):
                if record.key == call.key:
                    return unused > 0
                unused = max(0, unused - 1)
            case _:
                pass
    return False


def _says_yes(result: Any) -> bool:
    return isinstance(result, dict) and cast("dict[str, Any]", result).get("decision") == "approved"


def _is_confirming(step: StepSettled) -> bool:
    return step.key.rpartition("/")[2].startswith(CONFIRM)


def _is_of(intent: CallIntended, call: CallRequested) -> bool:
    """Tell whether a call is intended that the same yes would do for."""
    return intent.act == call.act and (intent.target, intent.input) == (call.name, call.arguments)
