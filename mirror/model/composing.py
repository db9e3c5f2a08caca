"""A version's text and head, written from its parts.

Parts stand as they came, folded as they were.  Of a merged version they stand in the order of their names, so that all
nodes write the same; who edits a version keeps its order.  What a text does not show of the parts, as those of an event
that was taken out, is kept in the head.
"""

from collections.abc import Iterable, Iterator

from mirror.model.edits import Parts
from mirror.model.heads import packed, said
from mirror.model.item import ITEM_COMPONENTS, find_item
from mirror.model.naming import (
    AROUND_ITEM,
    MESSAGE,
    component_of,
    frame_of,
    kind_at,
    needed,
    place_of,
    rest_of,
    shares_of,
    texts_of,
    whole_of,
)


def write_head(parts: Parts) -> bytes:
    """Return the head of a record with these parts, whose text shows what they say it does."""
    told = {name: said(part, parts.base, parts.texts.get(name)) for name, part in parts.named.items()}
    told |= {name: [*_gone(parts), None, True] for name in parts.texts.keys() - parts.named.keys()}
    kept = {name: one for name, one in told.items() if one is not None}
    return packed(rest_of(parts.named[MESSAGE].holds or b""), parts.base, shares_of(parts.kind), kept)


def _gone(parts: Parts) -> list[int | str]:
    base = parts.base
    return [base.rank.sequence, base.rank.modified, base.stamp, base.origin]


def shown(parts: Parts) -> dict[str, bytes]:
    """Return what a text of these parts is to show, by name."""
    return {name: part.holds for name, part in parts.named.items() if part.holds is not None and _is_shown(parts, name)}


def _is_shown(parts: Parts, name: str) -> bool:
    """Tell whether the text shows a part: not those of an event that was taken out."""
    place = place_of(name)
    return kind_at(place) not in ITEM_COMPONENTS or all(parts.get(one).holds is not None for one in needed(place))


def composed(parts: Parts, order: Iterable[str] = ()) -> tuple[Parts, bytes]:
    """Return a version's body, and its parts with what that shows; ``order`` are names as they are to stand."""
    message = parts.named[MESSAGE].holds or b""
    if not parts.kind:
        return Parts(parts.kind, parts.base, parts.named, {MESSAGE: message}), whole_of(message)
    texts = shown(parts)
    body = frame_of(texts).filled(b"\n".join(_item_lines(parts.kind, texts, order)))
    _, texts = texts_of(find_item(body), body, rest_of(message), shares_of(parts.kind))
    return Parts(parts.kind, parts.base, parts.named, texts), body


def _item_lines(kind: str, texts: dict[str, bytes], order: Iterable[str]) -> Iterator[bytes]:
    rank = {part: number for number, part in enumerate(order)}
    places: dict[str, list[str]] = {"": []}
    for part in sorted(texts.keys() - set(AROUND_ITEM), key=lambda part: (rank.get(part, len(rank)), part)):
        places.setdefault(place_of(part), []).append(part)
    name = component_of(kind)
    yield f"BEGIN:{name}".encode()
    for place, names in places.items() if rank else sorted(places.items()):
        inside = kind_at(place) if kind_at(place) in ITEM_COMPONENTS else ""
        if inside:
            yield f"BEGIN:{inside}".encode()
        # A card's version has to be its first line (RFC 6350 section 6.7.9).
        for part in names if rank else sorted(names, key=lambda one: (not one.startswith("VERSION"), one)):
            if texts[part]:
                yield texts[part]
        if inside:
            yield f"END:{inside}".encode()
    yield f"END:{name}".encode()
