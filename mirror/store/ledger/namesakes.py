"""Messages of one message id in a store: which of them a version belongs to, and what is held once it came.

The rules are mirror.model.namesakes'; here it is looked up what they ask for, a few records for each version that
comes.  Knows the tables by their operations alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from mirror.model.draft import Base, Draft
from mirror.model.keys import MESSAGE_PREFIX, filed_key, split_key
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.namesakes import Joined, joined, normal
from mirror.model.record import DERIVED, Record, covers, vector_of
from mirror.model.texts import ANY, is_message, named_text, own_text, standing_for, stands_for_any, text_of
from mirror.store.tables import Held, Row, Tables

MAX_TEXTS = 1024
"""Contents of which it is remembered what text they are."""
MAX_LOOKED_THROUGH = 1000
"""Messages of one id among which the one is looked for that a draft was made from."""


class Placed(NamedTuple):
    """What is to be held once a version came, and the rows of all that is held now under those keys."""

    joined: Joined
    rows: dict[str, Row]


class Namesakes:
    """Looks messages up by id and text; lives as long as its tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: dict[bytes, str] = {}

    def own(self, record: Record) -> str:
        """Return the text of a living version's body."""
        if not record.content:
            return own_text(record, self._tables.body)
        text = self._known.get(record.content)
        if text is None:
            if len(self._known) >= MAX_TEXTS:
                self._known.clear()
            text = self._known[record.content] = own_text(record, self._tables.body)
        return text

    def text(self, record: Record) -> str:
        """Return for which text a version of a message stands."""
        return text_of(record, self.own)

    def normal(self, record: Record) -> Record:
        """Return a version in the one form in which every node keeps it."""
        if not (named_text(record.head) or stands_for_any(record.key)) or not is_message(record):
            return record
        return normal(record, self.own)

    def apart(self, collection: str, records: Iterable[tuple[Record, int]], held: Mapping[str, Held]) -> set[str]:
        """Return the keys of those versions, told with their CRCs, that may have namesakes, held or among them."""
        if kind_of(collection).rule is not MergeRule.MESSAGES:
            return set()
        changed = [
            record
            for record, crc in records
            if record.key.startswith(MESSAGE_PREFIX) and (record.key not in held or held[record.key].crc != crc)
        ]
        new = [record.key for record in changed if record.key not in held]
        crowded = self._tables.crowded(collection, new) if new else set()
        return {
            record.key
            for record in changed
            if record.key in crowded
            or split_key(record.key)[1]
            or (record.key in held and not self._is_same(record, self._tables.at(held[record.key].sequence)))
        }

    def _is_same(self, one: Record, other: Record) -> bool:
        text = self.text(one)
        return text == self.text(other) != ANY

    def placed(self, record: Record) -> Placed:
        """Return what is held of a message's id once this version has come."""
        rows: dict[str, Row] = {}

        def held(key: str) -> Record | None:
            found = self._tables.held(record.collection, [key]).get(key)
            if found is not None:
                rows[key] = Row(found.sequence, self._tables.at(found.sequence), found.crc)
            return rows[key].record if key in rows else None

        def filed() -> Iterator[Record]:
            for one in self._filed(record.collection, split_key(record.key)[0]):
                if held(one.key) is not None:
                    yield one

        return Placed(joined(record, held, filed, self.own, self._tables.body), rows)

    def _filed(self, collection: str, plain: str, limit: int | None = None) -> Iterator[Record]:
        """Yield what is filed of a message id."""
        after, seen = "", 0
        while page := self._tables.scan(collection, after, f"{plain}#"):
            for record in page:
                if split_key(record.key)[0] == plain:
                    yield record
            after, seen = page[-1].key, seen + len(page)
            if limit is not None and seen >= limit:
                return

    def keys_of(self, records: Sequence[Record]) -> list[str]:
        """Return the key under which each of these messages is kept, or would be."""
        keys: dict[str, set[str]] = defaultdict(set)
        for record in records:
            keys[record.collection].add(record.key)
        taken = {
            (collection, key)
            for collection, of_it in keys.items()
            for key in {*self._tables.held(collection, of_it), *self._tables.crowded(collection, of_it)}
        }
        return [self.key_of(record) if (record.collection, record.key) in taken else record.key for record in records]

    def key_of(self, record: Record) -> str:
        """Return the key under which a message with this text is kept, or would be."""
        if not is_message(record):
            return record.key
        record = self.normal(record)
        return self._key_beside(record, self._tables.get(record.collection, split_key(record.key)[0]))

    def _key_beside(self, record: Record, main: Record | None) -> str:
        """Return that key, with what is held under the plain one."""
        plain, filed = split_key(record.key)
        if main is not None and not filed and _says_the_same(main, record):
            return plain
        if main is None and not filed and not self._tables.crowded(record.collection, [plain]):
            return plain
        return self._key_of_text(record.collection, plain, filed or self.text(record), main)

    def _key_of_text(self, collection: str, plain: str, text: str, main: Record | None) -> str:
        first = self.text(main) if main is not None else ANY
        filed = filed_key(plain, text)
        if text == first or (first == ANY and not self._tables.held(collection, [filed])):
            return plain
        return filed

    def as_kept(self, record: Record) -> Record:
        """Return a message's version as it is kept, or would be, whichever of its id has the plain key by now."""
        key = self.key_of(record)
        if key == record.key:
            return record
        return standing_for(msgspec.structs.replace(record, key=key), self.text(record), self.own)

    def written_under(self, record: Record) -> str:
        """Return the key under which a message is to be written that was made from what is held under its own."""
        return self.key_of(record) if stands_for_any(record.key) else record.key

    def deleted_unseen(self, dead: Record, base: Base | None) -> list[Record]:
        """Return the messages written here that a deletion of any text takes along, though its author saw none of them.

        Of those of other nodes their versions tell that.
        """
        if not (dead.dead and is_message(dead) and self.text(dead) == ANY):
            return []
        plain = split_key(dead.key)[0]
        main = self._tables.get(dead.collection, plain)
        return [
            one
            for one in [*([main] if main is not None else []), *self._filed(dead.collection, plain)]
            if not one.dead and one.era < dead.era and covers(dead, one) and not (base is not None and base.covers(one))
        ]

    def aimed(self, draft: Draft, main: Record | None) -> str:
        """Return the key of the message that a draft is to replace or delete; of a new one, where it has room.

        ``main`` is what is held under the draft's key.
        """
        meant = _meant(draft)
        if not is_message(meant):
            return draft.key
        plain, filed = split_key(draft.key)
        if filed == ANY and not draft.dead:
            return self.key_of(meant)  # nothing can be written there: it is a message of its own
        text = filed or (named_text(draft.head) if draft.dead else "")
        if text:
            main = main if not filed else self._tables.get(draft.collection, plain)
            return self._key_of_text(draft.collection, plain, text, main)
        if draft.base is None:
            return draft.key if draft.dead else self._key_beside(meant, main)
        if main is not None and (draft.base.covers(main) or _descends(main, draft.base)):
            return draft.key
        version = (draft.base.stamp, draft.base.origin)
        found = (one.key for one in self._filed(draft.collection, plain, MAX_LOOKED_THROUGH) if one.version == version)
        return next(found, draft.key if draft.dead else self.key_of(meant))


def _says_the_same(one: Record, other: Record) -> bool:
    """Tell whether two versions stand for one text, if that can be told without working it out."""
    same = (one.dead, one.body, one.content) == (False, other.body, other.content)
    return same and not other.dead and not named_text(one.head) and not named_text(other.head)


def _meant(draft: Draft) -> Record:
    return Record(draft.collection, draft.key, 1, "draft", 1, body=draft.body, content=draft.content, size=draft.size)


def _descends(record: Record, base: Base) -> bool:
    """Tell whether a version was made from another one, of which nothing but its version is known.

    What was imported bears the time of its data, so of that a later version proves nothing.
    """
    seen = vector_of(record).get(base.origin, 0)
    return seen == base.stamp or (seen > base.stamp and not base.origin.startswith(DERIVED))
