"""Which steps of one run may begin, and which are skipped. No context, no clock, no task inside."""

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Any

from towpath.flows.definition import FlowDefinition, WorkflowStep


class State(Enum):
    """How far a step has come."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    SKIPPED = "skipped"


_ENDED = (State.COMPLETED, State.SKIPPED)


class Plan:
    """What of a flow is the same in all of its runs.

    Attributes:
        steps: By name, in the order in which they are defined.
        followers: By name, the steps that may become ready or be skipped when this one has ended.
        waits: By name of a step that is reached by timeout only, the waits that lead to it.
    """

    def __init__(self, flow: FlowDefinition) -> None:
        self.steps: Mapping[str, WorkflowStep] = {step.name: step for step in flow.steps}
        self.followers: Mapping[str, list[str]] = {name: [] for name in self.steps}
        self.waits: dict[str, list[str]] = {}
        self.place: Mapping[str, int] = {name: place for place, name in enumerate(self.steps)}
        for step in flow.steps:
            for dependency in dict.fromkeys(step.dependencies):
                self.followers[dependency].append(step.name)
            if step.signal is not None and step.signal.on_timeout is not None:
                self.followers[step.name].append(step.signal.on_timeout)
                self.waits.setdefault(step.signal.on_timeout, []).append(step.name)


class Progress:
    """How far one run of a flow has come.

    A step is ready once all it depends on has been completed or skipped; if all of it was skipped, so is the step.
    A step that a timeout leads to is ready if that timeout was reached, and skipped once it cannot be any more.

    Attributes:
        outputs: What the completed steps gave, by name.
    """

    def __init__(self, plan: Plan) -> None:
        self.outputs: dict[str, Any] = {}
        self._plan = plan
        self._states = dict.fromkeys(plan.steps, State.WAITING)
        self._reached: set[str] = set()
        self._ready: list[str] = []
        self._held: set[str] = set()
        for name in plan.steps:
            self._look_at(name)

    def state(self, name: str) -> State:
        """Tell how far a step has come."""
        return self._states[name]

    def begin(self) -> list[WorkflowStep]:
        """Take the steps that may begin now, as they are defined; one whose object keys are in use waits."""
        begun: list[WorkflowStep] = []
        for name in sorted(self._ready, key=self._plan.place.__getitem__):
            step = self._plan.steps[name]
            if self._held.isdisjoint(step.object_keys):
                self._held.update(step.object_keys)
                self._states[name] = State.RUNNING
                begun.append(step)
        self._ready = [name for name in self._ready if self._states[name] is State.READY]
        return begun

    def complete(self, step: WorkflowStep, output: Any) -> None:
        """Note that a step has ended, and what it gave."""
        self.outputs[step.name] = output
        self._held.difference_update(step.object_keys)
        self._end(step.name, State.COMPLETED)

    def time_out(self, step: WorkflowStep) -> None:
        """Note that a wait has ended without what it waited for: it counts as skipped, and leads elsewhere."""
        if step.signal is not None and step.signal.on_timeout is not None:
            self._reached.add(step.signal.on_timeout)
        self._end(step.name, State.SKIPPED)

    def deps(self, step: WorkflowStep) -> dict[str, Any]:
        """Return what the steps that this one depends on gave; those that were skipped gave nothing."""
        return {name: self.outputs[name] for name in step.dependencies if name in self.outputs}

    def result(self) -> dict[str, Any]:
        """Return what all steps gave, as they are defined."""
        return {name: self.outputs[name] for name in self._plan.steps if name in self.outputs}

    def _end(self, name: str, state: State) -> None:
        self._states[name] = state
        ended = deque([name])
        while ended:
            for follower in self._plan.followers[ended.popleft()]:
                if self._look_at(follower) is State.SKIPPED:
                    ended.append(follower)

    def _look_at(self, name: str) -> State | None:
        """Have a waiting step go on, if it can; return its state if that has changed."""
        if self._states[name] is not State.WAITING:
            return None
        state = self._next_state(name)
        self._states[name] = state
        if state is State.READY:
            self._ready.append(name)
        return None if state is State.WAITING else state

    def _next_state(self, name: str) -> State:
        depends_on = [self._states[one] for one in self._plan.steps[name].dependencies]
        if waits := self._plan.waits.get(name):
            if name not in self._reached:
                unreachable = all(self._states[wait] in _ENDED for wait in waits)
                return State.SKIPPED if unreachable else State.WAITING
        elif depends_on and all(state is State.SKIPPED for state in depends_on):
            return State.SKIPPED
        return State.READY if all(state in _ENDED for state in depends_on) else State.WAITING
