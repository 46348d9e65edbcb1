"""The server: where a message goes, and what happens when the server is paused or killed."""

from collections.abc import Callable

from towpath_testkit.jetstream_model.api import Api
from towpath_testkit.jetstream_model.clock import SECOND, Clock
from towpath_testkit.jetstream_model.direct_get import direct_get
from towpath_testkit.jetstream_model.faults import Faults
from towpath_testkit.jetstream_model.listeners import Listeners, Subscription
from towpath_testkit.jetstream_model.messages import Headers
from towpath_testkit.jetstream_model.patterns import tokens
from towpath_testkit.jetstream_model.session import Session
from towpath_testkit.jetstream_model.streams import Streams
from towpath_testkit.simulated_network import SimulatedNetwork

Route = Callable[[str, str, bytes], bool]


class Broker:
    """One server; `start` lets it listen on `url`.

    Attributes:
        streams: What it keeps, for a look from outside.
        faults: What goes wrong at it.
        is_up: Whether it runs, be it paused.
        is_paused: Whether it does nothing until it is resumed.
    """

    def __init__(self, network: SimulatedNetwork, *, host: str = "broker", port: int = 4222) -> None:
        self.url = f"nats://{host}:{port}"
        self.streams = Streams()
        self.sessions: dict[Session, None] = {}
        self.listeners = Listeners()
        self.faults = Faults()
        self.is_up = False
        self.is_paused = False
        self.clock = Clock(network.loop)
        self._network = network
        self._chance = network.chance
        self._address = host, port
        self._api = Api(self, self.streams)
        self._pins = 0
        self._routes: dict[str, Route] = {
            "$JS.ACK.": self._acknowledge,
            "$JS.API.CONSUMER.MSG.NEXT.": self._pull,
            "$JS.API.DIRECT.GET.": self._get,
            "$JS.API.": self._call,
        }

    # --- Its life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, with what is left of the time before."""
        self.is_up = True
        self._network.listen(*self._address, lambda: Session(self, self._network.loop))
        for stream in self.streams.values():
            stream.recover()

    def kill(self) -> None:
        """End as `kill -9` does: files stay, what was only in memory goes."""
        self.is_up = self.is_paused = False
        self._network.close(*self._address)
        self.clock.stop()
        for session in list(self.sessions):
            session.drop()
        for stream in list(self.streams.values()):
            if stream.config.storage == "memory":
                del self.streams[stream.name]
        self.streams.changed()

    def pause(self) -> None:
        """Do nothing for a while, as SIGSTOP does: connections stand, nobody is heard."""
        self.is_paused = True
        self.clock.pause()
        for session in self.sessions:
            session.pause()

    def resume(self) -> None:
        """Go on with what came meanwhile."""
        self.is_paused = False
        self.clock.resume()
        for session in list(self.sessions):
            session.resume()

    # --- What its streams ask ---------------------------------------------------------------------

    def send(self, to: str, head: bytes, body: bytes, *, subject: str = "", reply: str = "") -> None:
        """Send a message to whoever listens on `to`; they see `subject`, if there is one."""
        if self.faults.loses_answer(self._chance):
            return
        if subject:
            self._deliver(to, subject, reply, head, body)
        else:
            self._route(to, reply, head, body)

    def is_heard(self, subject: str) -> bool:
        """Tell whether somebody listens on a subject."""
        return next(self.listeners.of(subject), None) is not None

    def jitter_ns(self) -> int:
        """Draw how much longer than asked an idle consumer lives: 100 ms to 1 s."""
        return SECOND // 10 + self._chance.randrange(900) * SECOND // 1000

    def new_pin(self) -> str:
        """Make the id of a pin."""
        self._pins += 1
        return f"pin-{self._pins}"

    # --- Where messages go ------------------------------------------------------------------------

    def publish(self, session: Session, subject: str, reply: str, head: bytes, body: bytes) -> None:
        """Take a message from a client."""
        if not self._route(subject, reply, head, body) and reply:
            session.nobody_listens(subject, reply)

    def _route(self, subject: str, reply: str, head: bytes, body: bytes) -> bool:
        """Bring a message wherever it belongs; tell whether that is anywhere."""
        if subject.startswith("$JS."):
            route = next((one for prefix, one in self._routes.items() if subject.startswith(prefix)), None)
            return route is not None and route(subject, reply, body)
        heard = self._deliver(subject, subject, reply, head, body)
        stream = self.streams.keeper(subject)
        if stream is None:
            return heard
        said = stream.publish(subject, Headers.read(head), body)
        if reply:
            self.send(reply, b"", said)
        return True

    def _deliver(self, to: str, subject: str, reply: str, head: bytes, body: bytes) -> bool:
        """Bring a message to those who listen on `to`: to all of them, and to one of each queue."""
        chosen: list[Subscription] = []
        queues: dict[str, list[Subscription]] = {}
        for subscription in self.listeners.of(to):
            queue = queues.setdefault(subscription.queue, []) if subscription.queue else chosen
            queue.append(subscription)
        chosen += [self._chance.choice(members) for members in queues.values()]
        for subscription in chosen:
            subscription.receiver.message(subscription, subject, reply, head, body)
        return bool(chosen)

    # --- JetStream --------------------------------------------------------------------------------

    def _acknowledge(self, subject: str, reply: str, body: bytes) -> bool:
        stream, consumer, _times, sequence, count = tokens(subject)[2:7]
        found = self.streams[stream].consumers.get(consumer) if stream in self.streams else None
        if found is None or found.config.ack_policy == "none":
            return False
        if not self.faults.loses_ack(self._chance):
            found.acknowledge(int(sequence), int(count), body, reply)
        return True

    def _pull(self, subject: str, reply: str, body: bytes) -> bool:
        stream, consumer = tokens(subject)[5:7]
        found = self.streams[stream].consumers.get(consumer) if stream in self.streams else None
        if found is not None and reply:
            found.pull(reply, body)
        return found is not None

    def _get(self, subject: str, reply: str, body: bytes) -> bool:
        stream = self.streams.get(tokens(subject)[4])
        if stream is None or not stream.config.allow_direct:
            return False
        if reply and not self.faults.loses_answer(
            self._chance
        ):  # all of it or nothing: it is one stream of bytes
            direct_get(stream, body, lambda head, said: self._route(reply, "", head, said))
        return True

    def _call(self, subject: str, reply: str, body: bytes) -> bool:
        said = self._api.answer(subject, body)
        if reply:
            self.send(reply, b"", said)
        return True
