"""The code of the golden histories. What a run has done here once is kept: change it only behind `ctx.patched`, or add.

Whoever adds a feature to the engine adds a component that uses it here, a life of it in `lives`, and records it with
`just golden`. Its modules are also run as one text, edited; so neither imports the other.
"""

from towpath_testkit.golden.app import acts, others

__all__ = ["acts", "others"]
