"""Which rule holds at a gate now: what the newest registrations say, and not what they said when somebody came."""

from towpath_router.catalogue import Catalogue
from towpath_schemas.gates import Ruling
from towpath_schemas.limits import (
    ConcurrencyLimit,
    DebounceLimit,
    Limit,
    RateLimit,
    SingletonLimit,
    pool_of,
    same_concern,
)


class Rulings:
    """The rules of all gates, as the catalogue has them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def now(self, known: Ruling) -> Ruling:
        """Tell the rule that holds now, from the one that held last.

        Of a pool the strictest limit holds that any component declares. What is not declared any more is lifted;
        where the component itself is not there, nothing is known, and its rule stays.
        """
        offer = self._catalogue.look_up(known.component, known.service)
        declared = self._catalogue.limits if pool_of(known.limit) else offer.limits if offer else ()
        alike = [limit for limit in declared if same_concern(limit, known.limit)]
        if alike:
            return known.model_copy(update={"limit": min(alike, key=_allowance), "lifted": False})
        return known if offer is None else known.model_copy(update={"lifted": True})


def _allowance(limit: Limit) -> float:
    match limit:
        case ConcurrencyLimit(limit=most):
            return most
        case RateLimit(limit=most, per_s=per_s):
            return most / per_s
        case DebounceLimit() | SingletonLimit():
            return 0.0
