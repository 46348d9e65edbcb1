"""A service that is deployed when requests for it have been refused already."""

from towpath import function


@function
async def latecomer(name: str) -> str:
    return f"at last, {name}"
