"""Where a consumer begins."""

from towpath_testkit.jetstream_model.consumer_config import ConsumerConfig
from towpath_testkit.jetstream_model.messages import read_time
from towpath_testkit.jetstream_model.store import Store


def first_sequence(config: ConsumerConfig, store: Store) -> int:
    """Tell the first sequence that a consumer may deliver."""
    chosen = _chosen_sequence(config, store)
    if store.first == 0 and not config.opt_start_seq:
        return 1
    if chosen > store.last and not config.opt_start_seq:
        return store.last + 1
    return max(chosen, store.first)


def _chosen_sequence(config: ConsumerConfig, store: Store) -> int:
    match config.deliver_policy:
        case "by_start_sequence":
            return config.opt_start_seq
        case "by_start_time":
            return _first_since(config, store)
        case "new":
            return store.last + 1
        case "last":
            newest = [store.newest(pattern) for pattern in config.filters or (">",)]
            return max((message.sequence for message in newest if message), default=0)
        case _:
            return store.first


def _first_since(config: ConsumerConfig, store: Store) -> int:
    """Find the first sequence since a time, or a later one if all filters have their first message later."""
    since = store.since(read_time(config.opt_start_time) or 0)
    first_of_each = [store.following(store.first, (pattern,)) for pattern in config.filters]
    later = [message.sequence for message in first_of_each if message and message.sequence >= since]
    closest = min([*later, store.last])
    return closest if since < closest < store.last else since
