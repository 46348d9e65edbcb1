"""What a platform in a test refuses: what the real one refuses as well, and what only that can do."""

from towpath.components import Component
from towpath.errors import RequestRefusedError
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large


def check_size(what: str, size: int) -> None:
    """Refuse what is too large for a request.

    Raises:
        RequestRefusedError: If it is.
    """
    if size > MAX_PAYLOAD_BYTES:
        raise RequestRefusedError(too_large(what, size))


def unkept(component: Component) -> str | None:
    """Say which limits of a component its runs would pass on a real platform, and are not kept here; None: it has none."""
    if not component.limits:
        return None
    names = ", ".join(dict.fromkeys(limit.kind for limit in component.limits))
    return (
        f"{component.name!r} has limits ({names}), which VirtualPlatform does not keep: each of its runs begins at once. "
        "Say VirtualPlatform(without_limits=True) to test its code so, and test its limits on `towpath dev`"
    )
