"""On whose behalf something happens: recorded once at the edge, carried by every event that follows."""

from typing import Annotated

from pydantic import Field

from towpath_schemas.shape import Shape

ShortText = Annotated[str, Field(min_length=1, max_length=256)]


class AttributionClaim(Shape):
    """What a requester says about who is behind the request; None means not said."""

    user_id: ShortText | None = None
    user_role: ShortText | None = None
    agent: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: ShortText | None = None
    workflow_id: ShortText | None = None


class SessionOwner(Shape):
    """Whose session an agent speaks in, as the run's code says; unlike an attribution, nobody vouches for it.

    Attributes:
        user_id: The user, where the session or one around it names one; so with the app.
    """

    user_id: str | None = None
    app_name: str | None = None


class Attribution(AttributionClaim):
    """What the router vouches for: the requester's claim, within the tenant its subject belongs to.

    Attributes:
        tenant: The tenant of the request's subject; never taken from a header or a body.
    """

    tenant: ShortText

    @classmethod
    def vouched(cls, tenant: str, claim: AttributionClaim | None) -> "Attribution":
        """Bind `claim` to the tenant that subject permissions prove."""
        said = claim.model_dump(exclude_none=True) if claim else {}
        return cls(tenant=tenant, **said)
