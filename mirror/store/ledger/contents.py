"""Contents on their way into a store: parts in order, each kept until the SHA-256 proved right, and what nothing names.

A body over INLINE_LIMIT comes first, as a content, and then the record that refers to it.  Knows no record but as what
a body belongs to, merges nothing, and asks nobody who sent what.
"""

import hashlib
from typing import Any

import msgspec

from mirror.model.errors import BadContent, BadRecord
from mirror.model.record import INLINE_LIMIT, MAX_CONTENT, Record
from mirror.store.questions import apart
from mirror.store.tables import ContentState, Tables

MAX_HASHERS = 64
"""Contents under way whose hash is kept in memory; of more the stored parts are read again."""


class Contents(Tables):
    """The contents of one store; what is written above them stands on this."""

    _hashers: dict[bytes, tuple[int, Any]]

    def begin_contents(self) -> None:
        """Get ready; called once."""
        self._hashers = {}

    def roll_back_contents(self) -> None:
        """Forget what may have been rolled back."""
        self._hashers.clear()

    def add_content(self, content: bytes, size: int, offset: int, data: bytes, party: str = "") -> bool:
        """Store a part of a content; returns True once it is complete and its SHA-256 proved right.

        Parts come in order; one that was stored before is skipped.  What comes from a ``party`` that is not trusted is
        kept apart until it is proved, and begins anew at offset 0: else it could spoil what others send.

        Raises BadRecord; and BadContent, after which ``drop_content`` has to be called, in a job of its own.
        """
        if not INLINE_LIMIT < size <= MAX_CONTENT:
            raise BadRecord(f"content {content.hex()}: {size} bytes are out of range")
        if party and self.content_complete(content):
            return True  # nor does it tell who does not have it that it is here
        place = apart(content, party) if party else content
        state = self.content_state(place)
        if state is not None and offset == 0 and (place != content or _is_other(state, size)):
            self.forget_content(place)
            state = None
        if state is None:
            self.begin_content(place, size)
            state = ContentState(size, 0)
        if state.size != size or offset > state.have or offset + len(data) > size:
            here = f"{state.have} of {state.size}"
            raise BadContent(content, f"has a part at {offset} of {size}, which does not fit {here} here")
        data = data[state.have - offset :]
        if not data:
            return state.have == size
        self._hash(place, state.have, data)
        self.append_content(place, state.have, data)
        if state.have + len(data) < size:
            return False
        _, hasher = self._hashers.pop(place)
        if hasher.digest() != content:
            raise BadContent(content, "arrived with another SHA-256 and was thrown away")
        if place != content:
            self.forget_content(content)
            self.rename_content(place, content)
        return True

    def drop_content(self, content: bytes, party: str = "") -> None:
        """Drop what there is of a content that is not complete."""
        place = apart(content, party) if party else content
        self._hashers.pop(place, None)
        if not self.content_complete(place):
            self.forget_content(place)

    def _hash(self, content: bytes, have: int, data: bytes) -> None:
        hashed, hasher = self._hashers.pop(content, (0, hashlib.sha256()))
        if hashed != have:
            hasher = hashlib.sha256()
            for block in self.content_blocks(content):
                hasher.update(block)
        hasher.update(data)
        if len(self._hashers) >= MAX_HASHERS:
            self._hashers.clear()
        self._hashers[content] = (have + len(data), hasher)

    def store_body(self, record: Record, body: bytes) -> Record:
        """Return the record with a body, inline or stored as content, whichever its size asks for."""
        if len(body) <= INLINE_LIMIT:
            return msgspec.structs.replace(record, body=body, content=b"", size=0)
        content = hashlib.sha256(body).digest()
        if not self.content_complete(content):
            self.add_content(content, len(body), 0, body)
        return msgspec.structs.replace(record, body=b"", content=content, size=len(body))

    def sweep_contents(self, suspects: dict[bytes, int]) -> dict[bytes, int]:
        """Drop contents that nothing refers to, if they were among the ``suspects`` of the last sweep already.

        Returns those that nothing refers to now, with the bytes there are of each.  A content arrives before its
        record, so one that has just come, or still grows, is left for the next sweep to judge.
        """
        unused = self.unused_contents()
        for content, have in list(unused.items()):
            if suspects.get(content) == have:
                self.forget_content(content)
                del unused[content]
        return unused


def _is_other(state: ContentState, size: int) -> bool:
    """Tell whether what is under way was said to be of another size: then one of the two who sent it was wrong."""
    return state.have < state.size != size
