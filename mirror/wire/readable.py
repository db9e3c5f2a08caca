"""Records and drafts as JSON objects, one a line: for people, and for clients in other languages.

Heads are maps, bodies text (or base64 where they are none), contents and CRCs hexadecimal.  A head that JSON cannot
say, or would say so that another one is read again, stands in ``head_base64`` too, and that counts.
"""

import base64
import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from mirror.model.draft import Base, Draft, Written
from mirror.model.errors import BadRecord
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.record import Record, pack_head, unpack_head
from mirror.model.stamp import format_stamp

_WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What taking wrong values apart raises."""
HEAD_BASE64 = "head_base64"


# -- records ------------------------------------------------------------------------------------------


def record_as_json(record: Record) -> dict[str, Any]:
    """Return a record as plain values that can be read by a person."""
    view: dict[str, Any] = {
        "collection": record.collection,
        "key": record.key,
        "stamp": record.stamp,
        "time": format_stamp(record.stamp),
        "origin": record.origin,
        "born": record.born,
    }
    if record.dead:
        view["dead"] = True
    if record.past:
        view["past"] = dict(record.past)
    if record.head:
        view.update(_readable_head(record.head, "head"))
    if record.body:
        view.update(_text_or_base64(record.body))
    if record.content:
        view.update(content=record.content.hex(), size=record.size)
    return view


def record_from_json(line: bytes) -> Record:
    """Read one JSON object as a record.  Raises BadRecord.  ``time`` is for people and ignored."""
    try:
        view = json.loads(line)
        return Record(
            collection=_text(view["collection"]),
            key=_text(view["key"]),
            stamp=_number(view.get("stamp", 0)),
            origin=_text(view.get("origin", "")),
            born=_number(view.get("born", view.get("stamp", 0))),
            dead=view.get("dead", False) is True,
            past=_vector(view.get("past", {})),
            head=_head_bytes(view, lambda: dict(view.get("head", {}))),
            body=_body(view),
            content=bytes.fromhex(view.get("content", "")),
            size=_number(view.get("size", 0)),
        )
    except _WRONG as error:
        raise BadRecord(f"a JSON record cannot be read ({type(error).__name__}: {error})") from None


# -- drafts -------------------------------------------------------------------------------------------


def draft_as_json(draft: Draft) -> dict[str, Any]:
    """Return a draft as plain values that can be read by a person.

    Of a kind that merges field by field the head is called ``fields``: those that were changed.
    """
    view: dict[str, Any] = {"collection": draft.collection, "key": draft.key}
    if draft.base is not None:
        view["base"] = _base_as_json(draft.base)
    if draft.dead:
        view["dead"] = True
    if draft.head:
        view.update(_readable_head(draft.head, _head_name(draft.collection)))
    if draft.body:
        view.update(_text_or_base64(draft.body))
    if draft.content:
        view.update(content=draft.content.hex(), size=draft.size)
    if draft.changed:
        view["changed"] = list(draft.changed)
    if draft.only_if is not None:
        view["only_if"] = f"{draft.only_if:016x}"
    return view


def draft_from_json(line: bytes) -> Draft:
    """Read one JSON object as a draft.  Raises BadRecord."""
    try:
        view = json.loads(line)
        collection = _text(view["collection"])
        base, only_if = view.get("base"), view.get("only_if")
        return Draft(
            collection=collection,
            key=_text(view["key"]),
            base=None if base is None else _base(base),
            dead=view.get("dead", False) is True,
            head=_head_bytes(view, lambda: _head(view, collection)),
            body=_body(view),
            content=bytes.fromhex(view.get("content", "")),
            size=_number(view.get("size", 0)),
            changed=tuple(_text(name) for name in view.get("changed", ())),
            only_if=None if only_if is None else _crc(only_if),
        )
    except _WRONG as error:
        raise BadRecord(f"a JSON draft cannot be read ({type(error).__name__}: {error})") from None


def written_as_json(written: Written) -> dict[str, Any]:
    """Return what became of a draft as plain values; its ``base`` is as in the next draft."""
    view: dict[str, Any] = {"collection": written.collection, "key": written.key}
    if written.base is not None:
        view |= {"base": _base_as_json(written.base), "crc": f"{written.crc:016x}"}
    return {**view, "dead": written.dead, "as_sent": written.as_sent}


def written_from_json(line: bytes) -> Written:
    """Read one JSON object as what became of a draft.  Raises BadRecord."""
    try:
        view = json.loads(line)
        return Written(
            collection=_text(view["collection"]),
            key=_text(view["key"]),
            base=_base(view["base"]) if "base" in view else None,
            crc=_crc(view["crc"]) if "crc" in view else 0,
            dead=view.get("dead", False) is True,
            as_sent=view.get("as_sent", False) is True,
        )
    except _WRONG as error:
        raise BadRecord(f"what became of a draft cannot be read ({type(error).__name__}: {error})") from None


def _base_as_json(base: Base) -> dict[str, Any]:
    view: dict[str, Any] = {"stamp": base.stamp, "origin": base.origin, "past": dict(base.past)}
    return {**view, "born": base.born} if base.born else view


def _head_name(collection: str) -> str:
    return "fields" if kind_of(collection).rule is MergeRule.FIELDS else "head"


def _head(view: dict[str, Any], collection: str) -> dict[str, Any]:
    """Return a draft's head; the other kinds' word for it is refused, or what it says would be lost silently."""
    name = _head_name(collection)
    other = "head" if name == "fields" else "fields"
    if other in view:
        raise ValueError(f"a draft for {collection} has {name}, not {other}")
    return dict(view.get(name, {}))


def _base(view: dict[str, Any]) -> Base:
    past, born = _vector(view.get("past", {})), _number(view.get("born", 0))
    return Base(_number(view["stamp"]), _text(view["origin"]), past, born)


def _crc(value: Any) -> int:
    if len(_text(value)) != 16:
        raise ValueError(f"{value[:40]!r} is no CRC-64 in 16 hexadecimal digits")
    return int.from_bytes(bytes.fromhex(value))


# -- what both have -----------------------------------------------------------------------------------


def json_lines(views: Iterable[dict[str, Any]]) -> bytes:
    """Return JSON objects, one a line."""
    return "".join(json.dumps(view, ensure_ascii=False) + "\n" for view in views).encode()


def lines_of(payload: bytes) -> list[bytes]:
    """Return the lines of a payload that are not empty."""
    return [line for line in payload.splitlines() if line.strip()]


def _readable_head(head: bytes, name: str) -> dict[str, Any]:
    """Return a head under its name where JSON can say it, and as base64 where that would not be read as the same."""
    try:
        values = unpack_head(head)
        said = {name: values} if _can_be_said(values) else {}
        same = bool(said) and pack_head(values) == head
    except (BadRecord, *_WRONG):
        said, same = {}, False
    return said if same else {**said, HEAD_BASE64: base64.b64encode(head).decode()}


def _can_be_said(value: Any) -> bool:
    """Tell whether JSON has a value, and reads it as the same again.  Raises RecursionError."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _can_be_said(inside) for name, inside in value.items())
    if isinstance(value, list):
        return all(map(_can_be_said, value))
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _head_bytes(view: dict[str, Any], values: Callable[[], dict[str, Any]]) -> bytes:
    if HEAD_BASE64 in view:
        return base64.b64decode(view[HEAD_BASE64], validate=True)
    return pack_head(values())


def _vector(view: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((_text(name), _number(stamp)) for name, stamp in view.items()))


def _body(view: dict[str, Any]) -> bytes:
    return view["text"].encode() if "text" in view else base64.b64decode(view.get("base64", ""), validate=True)


def _text_or_base64(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _number(value: Any) -> int:
    number = int(value)
    if not -(1 << 63) <= number < 1 << 64:
        raise OverflowError(f"{str(number)[:40]} has more than 64 bits")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    value.encode()  # half of a surrogate pair, which JSON can write, is no character: a ValueError
    return value
