"""A hub and its leaves, whatever happens in whatever order."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from share_ends import dial, drop, keys, post, room

from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("post a", "post b", "post c", "drop a", "drop b", "drop c", "dial ba", "dial ca", "dial ab", "edit a")
        ),
        st.integers(0, 4),
    ),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=40)
def test_a_hub_and_two_leaves_end_with_equal_rooms_in_any_order(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        stores: dict[str, SqliteStore] = {}
        for name in "abc":
            (Path(directory) / name).mkdir()
            stores[name] = SqliteStore(Path(directory) / name, name, durable=False)
        rooms = {"a": "a:1", "b": "b:9", "c": "c:4"}
        room(stores["a"], "a:1", "Hub", "mirror_share|b\nmirror_share|c|Leaf")
        room(stores["b"], "b:9", "Hub", "mirror_share|a")
        room(stores["c"], "c:4", "Leaf", "mirror_share|a|Hub")
        for number, (step, at) in enumerate(steps):
            what, _, who = step.partition(" ")
            if what == "post":
                post(stores[who], rooms[who], f"{number}")
            elif what == "edit":
                post(stores[who], rooms[who], f"edited {at}", f"text {number}")
            elif what == "drop":
                held = sorted(keys(stores[who], rooms[who]))
                if held:
                    drop(stores[who], rooms[who], held[at % len(held)])
            else:
                dial(stores[who[0]], stores[who[1]])
        for _ in range(2):
            dial(stores["b"], stores["a"])
            dial(stores["c"], stores["a"])
        contents = [
            {(one.key, one.stamp, one.origin, one.body) for one in stores[name].read(
                lambda reader, n=name: list(reader.scan_all(f"messages/{rooms[n]}")))}
            for name in "abc"
        ]  # fmt: skip
        assert contents[0] == contents[1] == contents[2]
        for store in stores.values():
            assert check_store(store).problems == []
            store.close()
