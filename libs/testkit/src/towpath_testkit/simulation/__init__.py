"""Runs the platform's services, as they are, on a model of the broker in virtual time, and lets things go wrong.

`simulate(seed, ...)` gives the same run for the same seed, event for event. `python -m towpath_testkit.simulation
--seed 17` repeats what a test has found.
"""

from towpath_testkit.simulation.asking import Request as Request, Signal as Signal
from towpath_testkit.simulation.plan import CALM as CALM, STORMY as STORMY, Plan as Plan
from towpath_testkit.simulation.seen import Simulated as Simulated
from towpath_testkit.simulation.simulating import simulate as simulate
