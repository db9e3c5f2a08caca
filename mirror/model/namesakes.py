"""Namesakes: different messages of one message id in one room, which are all kept.

Each text has versions of its own, which merge as any record's do.  Of those texts that came under the plain key the one
with the least name keeps it, whatever its versions; the others are filed under the key, ``#`` and their text, with
stamp, origin and birth unchanged.  Which text has the plain key only ever changes to a lesser one, and every text keeps
the greatest of its versions, so this is a join: what is held follows from the versions that came, not from their order.
What is deleted stands for the text that it deletes, so it meets that wherever it is filed, before or after.

A deletion of 0.1.0 says of no text: it stands for any, deletes of each what was born before it, and is filed under
``ANY``, which keeps the plain key just where nothing else came under it.  Just deletions do: a message that is there
has a text, so one that came under that key is filed under its own.  Values in, values out.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from mirror.model.keys import filed_key, split_key
from mirror.model.merge import Body, merge
from mirror.model.record import Record
from mirror.model.texts import ANY, TextOf, standing_for, stands_for_any, text_of

Held = Callable[[str], Record | None]
"""Returns what is held under a key of the messages in question."""


class Loss(NamedTuple):
    """A version that lost to another one of its text that had not seen it."""

    loser: Record
    winner: Record


class Joined(NamedTuple):
    """What is to be held under each key that matters, None for nothing, what lost, and which keys became others."""

    kept: dict[str, Record | None]
    losses: list[Loss]
    moved: dict[str, str]


def normal(record: Record, own: TextOf) -> Record:
    """Return a message's version in the one form in which every node keeps it, whatever it says it stands for."""
    if not record.dead and stands_for_any(record.key):
        record = msgspec.structs.replace(record, key=filed_key(split_key(record.key)[0], own(record)))
    return standing_for(record, text_of(record, own), own)


def joined(record: Record, held: Held, filed: Callable[[], Iterable[Record]], own: TextOf, body: Body) -> Joined:
    """Return what is held of one message id once this version has come.

    ``filed`` returns all that is filed of it; that is asked for just when a deletion of any text came.
    """
    return _Joining(record, held, filed, own, body).result()


class _Joining:
    """One version on its way in.  ``texts`` holds, by text and as they are filed, the versions that matter."""

    def __init__(
        self, record: Record, held: Held, filed: Callable[[], Iterable[Record]], own: TextOf, body: Body
    ) -> None:
        self._record, self._held, self._filed, self._own, self._body = record, held, filed, own, body
        self._plain, self._under = split_key(record.key)
        self._texts: dict[str, Record] = {}
        self._losses: list[Loss] = []

    def result(self) -> Joined:
        had = first = self._load()
        new = text_of(self._record, self._own)
        before = self._texts.get(new)
        self._texts[new] = self._merged(before, self._as_filed(self._record, new))
        if not self._under:
            first = new if first is None else min(first, new, key=_place)
        if new == ANY and self._texts[new] != before:
            for one in self._filed():
                self._texts.setdefault(split_key(one.key)[1], one)
        killed = self._killed()
        kept = {
            filed_key(self._plain, text): None if text == first or text in killed else version
            for text, version in self._texts.items()
        }
        if first is not None:
            version = self._texts[ANY if first in killed else first]
            kept[self._plain] = self._as_plain(version, first)
        moved = {} if had in (None, first) else {self._plain: filed_key(self._plain, str(had))}
        if first != had and first is not None and self._held(filed_key(self._plain, first)) is not None:
            moved[filed_key(self._plain, first)] = self._plain
        return Joined(kept, [self._placed(loss, first) for loss in self._losses], moved)

    def _load(self) -> str | None:
        """Get what is held of the texts that matter; returns which has the plain key."""
        main = self._held(self._plain)
        first = text_of(main, self._own) if main is not None else None
        if main is not None and first is not None:
            self._texts[first] = self._as_filed(main, first)
        for text in {text_of(self._record, self._own), ANY}:
            version = self._held(filed_key(self._plain, text))
            if version is not None:
                self._texts[text] = self._merged(self._texts.get(text), version)
        return first

    def _killed(self) -> set[str]:
        """Return the texts that a deletion of any text deleted."""
        dead = self._texts.get(ANY)
        if dead is None:
            return set()
        return {
            text
            for text, version in self._texts.items()
            if text != ANY and self._merged(version, self._as_filed(dead, text)).version == dead.version
        }

    def _merged(self, one: Record | None, other: Record) -> Record:
        if one is None:
            return other
        merged = merge(one, other, self._body)
        self._losses += [Loss(loser, merged.record) for loser in merged.losers]
        return merged.record

    def _placed(self, loss: Loss, first: str | None) -> Loss:
        """Return a loss under the key that its text has now."""
        text = split_key(loss.loser.key)[1]
        return loss if text != first else Loss(self._as_plain(loss.loser, text), loss.winner)

    def _as_filed(self, record: Record, text: str) -> Record:
        return standing_for(self._at(record, filed_key(self._plain, text)), text, self._own)

    def _as_plain(self, record: Record, text: str) -> Record:
        return standing_for(self._at(record, self._plain), text, self._own)

    def _at(self, record: Record, key: str) -> Record:
        return record if record.key == key else msgspec.structs.replace(record, key=key)


def _place(text: str) -> tuple[bool, str]:
    """What decides which text has the plain key: the least does."""
    return text == ANY, text
