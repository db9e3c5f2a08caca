"""Drafts made from a version that is at hand: they name it, and say which parts of it they change.

What a client does with what it was shown, whether it is the command line, a page or a folder of files.
"""

from mirror.model.aligning import aligned, told_as_held
from mirror.model.draft import NOTHING, Draft, base_of
from mirror.model.keys import split_key
from mirror.model.merge import is_item
from mirror.model.names import MESSAGE, REVISION
from mirror.model.parts import read_parts
from mirror.model.record import Record, record_crc
from mirror.model.texts import is_message, naming, own_text, text_of
from mirror.model.wording import same


def draft_over(
    held: Record | None, collection: str, key: str, *, head: bytes = b"", body: bytes = b"", held_body: bytes = b""
) -> Draft:
    """Return a draft of what is to be in the place of ``held``, the version that was looked at (None for nothing).

    ``head`` is as in Draft: of kinds that merge by fields just the changed ones.  ``held_body`` is needed of items, to
    tell which parts differ.
    """
    draft = Draft(collection, key, None if held is None else base_of(held), head=head, body=body)
    if held is not None and not held.dead and is_item(held):
        draft.changed = changed_parts(held, held_body, draft)
    return draft


def deletion_of(held: Record, held_body: bytes | None = None) -> Draft:
    """Return a draft that deletes the version that was looked at, and what came before it.

    ``held_body`` is its body where that is kept apart; of a message it tells which of those of one id is meant.
    """
    draft = Draft(held.collection, held.key, base_of(held), dead=True)
    body = held.body if not held.content else held_body
    if is_message(held) and body is not None and not held.dead and not split_key(held.key)[1]:
        draft.head = naming(b"", text_of(held, lambda record: own_text(record, lambda _: body)))
    return draft


def only_over(held: Record | None, draft: Draft) -> Draft:
    """Return the draft on condition that the version that was looked at is still the one there."""
    draft.only_if = NOTHING if held is None else record_crc(held)
    return draft


def changed_parts(held: Record, held_body: bytes, draft: Draft) -> tuple[str, ...]:
    """Return the names of an item's parts that a draft with its body inside changes; never none.

    They are named as what is held names them.  Every edit writes REVISION anew, so naming that alone says that nothing
    else was changed.
    """
    made = Record(draft.collection, draft.key, 1, "draft", 1, head=draft.head, body=draft.body)
    old, new = read_parts(held, held_body), read_parts(made, draft.body)
    texts, _ = aligned(old, new.texts)
    texts = told_as_held(old, texts)
    names = (old.texts.keys() | texts.keys()) - {MESSAGE}
    changed = {name for name in names if not same(name, old.texts.get(name), texts.get(name))}
    return tuple(sorted(changed | {REVISION}))
