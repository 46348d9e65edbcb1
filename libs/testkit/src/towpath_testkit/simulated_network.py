"""A network in memory for `virtual_time`: what is written arrives in order, some time later, or the connection breaks.

Delays differ from write to write and from connection to connection, so what two processes send at the same time
arrives in either order; on one connection nothing is lost, doubled or reordered, as TCP promises.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from towpath_testkit.virtual_time import VirtualTimeLoop, process

Accept = Callable[[], asyncio.BaseProtocol]


class Delays(NamedTuple):
    """Seconds that a write takes to arrive: most of them `usual_s`, one in `rarely` up to `longest_s`."""

    usual_s: tuple[float, float] = (0.0001, 0.0005)
    longest_s: float = 0.0
    rarely: int = 0

    def draw(self, chance: random.Random) -> float:
        """Draw one."""
        if self.rarely and chance.randrange(self.rarely) == 0:
            return chance.uniform(self.usual_s[1], self.longest_s)
        return chance.uniform(*self.usual_s)


class SimulatedNetwork:
    """All connections of one loop."""

    def __init__(self, loop: VirtualTimeLoop, chance: random.Random, delays: Delays | None = None) -> None:
        self.loop = loop
        self.chance = chance
        self.delays = delays or Delays()
        self._listening: dict[tuple[str, int], Accept] = {}
        self._connections: dict[End, str] = {}
        loop.network = self

    def listen(self, host: str, port: int, accept: Accept) -> None:
        """Take connections from now on; `accept` makes the protocol of each."""
        self._listening[host, port] = accept

    def close(self, host: str, port: int) -> None:
        """Refuse connections from now on."""
        self._listening.pop((host, port), None)

    async def connect(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect the process that runs now to whoever listens."""
        await asyncio.sleep(self.delays.draw(self.chance))
        accept = self._listening.get((host, port))
        if accept is None:
            raise ConnectionRefusedError(f"nobody listens on {host}:{port}")
        near, far = End(self, process.get()), End(self, "")
        near.peer, far.peer = far, near
        self._connections[near] = process.get()
        far.begin(accept())
        near.begin(factory())
        return near, near.protocol

    def hang_up(self, name: str, *, lossy: bool) -> None:
        """End every connection of a process; if `lossy`, what is under way never arrives."""
        for end in [end for end, owner in self._connections.items() if owner == name]:
            if lossy:
                end.abort()
            else:
                end.close()

    def forget(self, end: "End") -> None:
        """Drop a connection that is over."""
        self._connections.pop(end, None)


class End(asyncio.Transport):
    """One end of a connection, in the hands of the process `owner`."""

    def __init__(self, network: SimulatedNetwork, owner: str) -> None:
        super().__init__()
        self.peer: End = self
        self.protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self.context = contextvars.copy_context()
        self.context.run(process.set, owner)
        self._network = network
        self._loop = network.loop
        self._free_at = 0.0
        self._under_way: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._over = False
        self._paused = False
        self._arrived: deque[bytes] = deque()

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell the protocol that it is connected."""
        self.protocol = protocol
        self.context.run(protocol.connection_made, self)

    # --- Writing ----------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send."""
        if data and not self._over:
            self._later(self.peer.arrive, bytes(data))

    def close(self) -> None:
        """Send what was written, then the end."""
        if not self._over:
            self._later(self.peer.end, None)
            self.end(None)

    def abort(self) -> None:
        """Break the connection on both sides."""
        broken = ConnectionResetError("the connection broke")
        for end in (self, self.peer):
            end.end(broken)

    def is_closing(self) -> bool:
        """Tell whether nothing can be written any more."""
        return self._over

    def _later(self, deliver: Callable[[Any], None], what: Any) -> None:
        """Deliver behind what was sent before: of two that arrive at the same time, a loop may take either first."""
        network = self._network
        self._free_at = max(self._free_at, self._loop.time() + network.delays.draw(network.chance))
        self._under_way.append((deliver, what))
        self._loop.call_at(self._free_at, self._deliver_next, context=self.peer.context)

    def _deliver_next(self) -> None:
        deliver, what = self._under_way.popleft()
        deliver(what)

    # --- Reading ----------------------------------------------------------------------------------

    def arrive(self, data: bytes) -> None:
        """Give what arrived to the protocol."""
        if self._over:
            return
        self._arrived.append(data)
        self._hand_over()

    def pause_reading(self) -> None:
        """Keep what arrives for later."""
        self._paused = True

    def resume_reading(self) -> None:
        """Give on what arrived meanwhile."""
        self._paused = False
        self._loop.call_soon(self._hand_over, context=self.context)

    def is_reading(self) -> bool:
        """Tell whether what arrives is given on."""
        return not self._paused and not self._over

    def _hand_over(self) -> None:
        while self._arrived and self.is_reading():
            self.protocol.data_received(self._arrived.popleft())  # type: ignore[attr-defined]

    def end(self, error: Exception | None) -> None:
        """Tell the protocol, once, that the connection is over."""
        if not self._over:
            self._over = True
            self._network.forget(self)
            self._loop.call_soon(self.protocol.connection_lost, error, context=self.context)

    # --- What asyncio's streams ask ---------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know nothing."""
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change who is told."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Tell who is told."""
        return self.protocol

    def can_write_eof(self) -> bool:
        """Tell that there are no half-closed connections."""
        return False

    def get_write_buffer_size(self) -> int:
        """Tell that everything is under way at once."""
        return 0
