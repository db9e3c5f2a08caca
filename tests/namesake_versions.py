"""Versions of messages of one message id, and what the rules make of them; for the tests of rules and of stores."""

from collections.abc import Iterable

import msgspec
from hypothesis import strategies as st

from mirror.model.edit import successor, tombstone
from mirror.model.keys import filed_key, split_key
from mirror.model.merge import inline_body
from mirror.model.namesakes import Loss, joined, normal
from mirror.model.record import Record, record_bytes
from mirror.model.texts import ANY, own_text

ROOM, PLAIN = "messages/r", "id:x@y"
State = dict[str, Record]


def own(record: Record) -> str:
    return own_text(record, inline_body)


def body(text: str, way: str = "") -> bytes:
    """Return a mail that says this and came this way."""
    return b"\xffA\x04" + f"Ix@y\0P{way}\0MReceived: by {way}\n\tand so on\nSubject: s\n\n{text}\n".encode() + b"\0"


def version(text: str, stamp: int, origin: str = "a", key: str = PLAIN, way: str = "", born: int = 0) -> Record:
    return Record(ROOM, key, stamp, origin, born or stamp, body=body(text, way))


def edit(of: Record, text: str, stamp: int, origin: str) -> Record:
    return successor(of, Record(ROOM, of.key, 1, "x", 1, body=body(text)), stamp, origin)


def take(state: State, record: Record) -> list[Loss]:
    """Have a state hold a version; returns what lost."""

    def filed() -> Iterable[Record]:
        return [one for key, one in state.items() if split_key(key)[1]]

    made = joined(normal(record, own), state.get, filed, own, inline_body)
    for key, kept in made.kept.items():
        state.pop(key, None)
        if kept is not None:
            assert kept.key == key
            state[key] = kept
    return made.losses


def state_of(versions: Iterable[Record]) -> State:
    state: State = {}
    for one in versions:
        take(state, one)
    return state


def canonical(state: State) -> list[bytes]:
    return sorted(map(record_bytes, state.values()))


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Versions as several nodes may have written them: new messages under either key, edits, deletions of all kinds."""
    made: list[Record] = []
    for _ in range(draw(st.integers(1, 7))):
        origin, stamp = draw(st.sampled_from(("a", "b", "citadel:c"))), draw(st.integers(2, 30))
        text = draw(st.sampled_from(("one", "two", "three")))
        what = draw(st.sampled_from(("new", "new", "edit", "delete", "delete as 0.1.0")))
        if what == "new" or not made:
            one = version(text, stamp, origin, way=draw(st.sampled_from("vw")), born=draw(st.sampled_from((0, 1))))
            under = draw(st.sampled_from(("", own(one), ANY)))
            if under:
                one = msgspec.structs.replace(one, key=filed_key(PLAIN, under))
        else:
            of = normal(draw(st.sampled_from(made)), own)
            if what == "edit":
                one = edit(of, text, of.stamp + stamp, origin)
            else:
                one = tombstone(of, of.stamp + stamp, origin)
            if what == "delete as 0.1.0":
                one = msgspec.structs.replace(one, key=PLAIN, head=b"")
        made.append(one)
    return made
