"""What an act is answered when its time is over: a timer has fired, anything else has failed."""

from towpath_schemas.calls import Answered
from towpath_schemas.failure import Failure
from towpath_schemas.identity import derived_id
from towpath_schemas.journal import CallIntended

_WHAT = {"signal": "no signal {!r} came", "approval": "nobody decided {!r}"}


def alarm(run_id: str, intent: CallIntended) -> Answered:
    """Make the answer that comes at the intent's `until`, unless another was first."""
    failure = None
    if intent.act != "timer":
        what = _WHAT.get(intent.act, "{!r} did not end").format(intent.target)
        failure = Failure(code="timeout", message=f"{what} in time")
    return Answered(answer_id=alarm_id(run_id, intent.key), run_id=run_id, key=intent.key, failure=failure)


def alarm_id(run_id: str, key: str) -> str:
    """Derive the id of an intent's alarm."""
    return derived_id("alarm", run_id, key)
