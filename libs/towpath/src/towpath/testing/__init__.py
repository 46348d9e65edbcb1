"""Test workflows, agents and functions with no server, in virtual time, on the engine that runs them on the platform."""

from towpath.models.scripted import tool_call
from towpath.testing.crashing import Crash, Survived, crash_everywhere
from towpath.testing.models import (
    FunctionModel,
    RecordedModel,
    broken_off,
    fault,
    no_real_models,
    scripted,
)
from towpath.testing.platform import VirtualPlatform
from towpath.testing.replaying import Replayed, check_replay
from towpath.testing.run import VirtualRun
from towpath.testing.virtual_loop import VirtualTimeLoop, run_virtual, virtual_time

__all__ = [
    "Crash",
    "FunctionModel",
    "RecordedModel",
    "Replayed",
    "Survived",
    "VirtualPlatform",
    "VirtualRun",
    "VirtualTimeLoop",
    "broken_off",
    "check_replay",
    "crash_everywhere",
    "fault",
    "no_real_models",
    "run_virtual",
    "scripted",
    "tool_call",
    "virtual_time",
]
