"""Visits: what a user has read and answered of a room; of an older room there, or of one who is gone, as it is."""

from collections.abc import Mapping

from mirror.citadel.meaning.marks import shortened, tag_of
from mirror.citadel.migr.told import Told, number_in
from mirror.formats.migr import Element
from mirror.formats.sequence_set import EMPTIED, NOTHING_SEEN, readable_set
from mirror.formats.server_own import Use
from mirror.model.kinds import Collection


def take_visit(told: Told, element: Element) -> None:
    """Take over what the element says.  Raises CitadelError, ValueError where it is to be left out as a whole."""
    fields = element.children
    if fields.get("v_seen") == EMPTIED:
        fields["v_seen"] = NOTHING_SEEN
    number, user = number_in(fields, "v_roomnum"), number_in(fields, "v_usernum")
    room, key = told.rooms.get(number), told.keys.user(user)
    if told.is_gone(user) or (room is not None and room.use is not Use.PEOPLE):
        return  # the visits of who is gone go in the night, which nobody is told
    generation, collection = fields.get("v_roomgen", "0"), str(Collection("visits", told.key(number)))
    if room is None or room.generation != generation:
        # Void on the server too (a room forgotten or gone), but kept: the generation may be set back.
        told.fields(collection, f"{key}@{generation}", fields, told.created)
        return
    if told.look.is_another and not _has_marks(fields) and _is_new(told, collection, key):
        return  # it was not told while it said no more, and what is here stands
    for name in ("v_seen", "v_answered"):
        _name_unreadable(told, element, name)
    record = told.record(collection, key, told.created, told.head(fields, told.created))
    told.visits.put(record, tag_of(fields.get("v_seen", ""), fields.get("v_answered", "")))


def _is_new(told: Told, collection: str, key: str) -> bool:
    return told.store.read(lambda reader: reader.get(collection, key)) is None


def _name_unreadable(told: Told, element: Element, name: str) -> None:
    """Name what cannot be read of a visit's set of messages, or is not told; it takes nothing along."""
    if why := shortened(element.children.get(name, "")):
        room, user = element.children["v_roomnum"].strip(), element.children["v_usernum"].strip()
        told.report.notice(f"line {element.line}: <visit>: {name} of user {user} in room {room}: {why}")
    for reason in readable_set(element.children.get(name, "")).left_out:
        room, user = element.children["v_roomnum"].strip(), element.children["v_usernum"].strip()
        told.report.refuse(element.name, element.line, f"{name} of user {user} in room {room}: {reason}")


def _has_marks(visit: Mapping[str, str]) -> bool:
    return visit.get("v_seen", "") not in ("", NOTHING_SEEN) or bool(visit.get("v_answered"))
