"""Which replica owns which partition: everybody computes the same from who is alive, and few partitions move."""

from collections.abc import Iterable
from hashlib import blake2b

from towpath_schemas import subjects


def owner_of(partition: int, instances: Iterable[str]) -> str:
    """Tell who owns a partition: the instance whose hash with it is the largest."""
    return max(instances, key=lambda instance: _weight(partition, instance))


def owned_by(instance: str, alive: Iterable[str]) -> frozenset[int]:
    """Tell which partitions are `instance`'s among all that are `alive`, itself included."""
    everybody = {*alive, instance}
    return frozenset(p for p in range(subjects.ENTITY_PARTITIONS) if owner_of(p, everybody) == instance)


def _weight(partition: int, instance: str) -> bytes:
    return blake2b(f"{partition}:{instance}".encode(), digest_size=8).digest()
