"""Messages, each by its number: filed in the rooms that list it, and with what refers to it."""

from collections.abc import Iterable

from mirror.citadel.looks.listed import Reference
from mirror.citadel.meaning.homes import INBOX_RULES
from mirror.citadel.meaning.marks import changes
from mirror.citadel.meaning.returned import SHOWN, as_here, rules_as_here, text_as_here
from mirror.citadel.migr.names import ORPHANS, USER_SETTINGS
from mirror.citadel.migr.posted import Posted, read_posted
from mirror.citadel.migr.told import Told, number_in
from mirror.formats.keys import message_id, message_key, message_stamp
from mirror.formats.migr import Element
from mirror.formats.server_own import Use, setting_type, user_of_room
from mirror.model.keys import MESSAGE_PREFIX, key_of_id
from mirror.model.kinds import ITEM_PREFIX, Collection

_KEPT = (Use.PEOPLE, Use.USER_CONFIGURATION)
"""What rooms are for whose messages are kept."""


def take_message(told: Told, element: Element) -> None:
    """Take over what the element says.  Raises CitadelError, ValueError where it is to be left out as a whole."""
    number = number_in(element.children, "msg_msgnum")
    told.listed.arrived(number)
    rooms, references = told.listed.rooms_of(number), told.listed.references_of(number)
    named = [wanted for _, wanted in rooms] + [reference.wanted for reference in references]
    if named and not any(named):
        ours = any(told.rooms[room].use in (*_KEPT, Use.LEFT_OUT) for room, _ in rooms)
        told.report.passed_over += not references and not ours
        return
    posted = read_posted(element, number)
    _place_referenced(told, posted, references)
    placed = [
        _place_in_room(told, room, posted, bool(references)) if wanted else told.rooms[room].use in _KEPT
        for room, wanted in rooms
    ]
    if references or any(placed):
        return
    told.report.notice(f"line {element.line}: <message>: message {number} is in no room; kept in 'orphans'")
    key = key_of_id(MESSAGE_PREFIX, message_id(posted.message, told.report.node, number))
    told.draft(ORPHANS, key, told.created, posted.head, posted.data, str(number))


def _place_in_room(told: Told, room: int, posted: Posted, referenced: bool) -> bool:
    """Keep a message that a room lists as what the room is for; tells whether it is kept."""
    use = told.rooms[room].use
    if use is Use.PEOPLE:
        _file_message(told, room, posted)
    elif use is Use.USER_CONFIGURATION and not referenced:
        _file_user_setting(told, room, posted)
    elif use is Use.CONFIGURATION and not referenced:
        return _take_setting(told, room, posted)
    return use in (Use.PEOPLE, Use.USER_CONFIGURATION)


def _file_message(told: Told, room: int, posted: Posted) -> None:
    room_key, number = told.key(room), posted.number
    messages, visits = str(Collection("messages", room_key)), str(Collection("visits", room_key))
    key = message_key(posted.message, told.report.node, number)
    data = posted.data
    if told.look.knows_some:
        data = as_here(told.store, messages, key, posted.message, data)
    told.draft(messages, key, _posted_at(told, room, posted), posted.head, data, str(number))
    was = told.look.statuses.number_of(messages, key) if key.startswith(ITEM_PREFIX) else 0
    for visitor in told.visits.visitors(visits):
        for change in changes(visits, visitor, [(key, was, number)], told.version(told.created)):
            told.look.change(change)


def _file_user_setting(told: Told, room: int, posted: Posted) -> None:
    user = told.keys.user(user_of_room(told.rooms[room].name))
    key = f"{user} {message_key(posted.message, told.report.node, posted.number)}"
    told.draft(USER_SETTINGS, key, _posted_at(told, room, posted), posted.head, posted.data, str(posted.number))


def _take_setting(told: Told, room: int, posted: Posted) -> bool:
    """Take a setting as 902 keeps it: the last message of its type; tells whether a message is one."""
    text = posted.message.text("M")
    kind = setting_type(text)
    if kind:
        said = (_posted_at(told, room, posted), posted.number, text)
        told.settings[kind] = max(said, told.settings.get(kind, said))
    return bool(kind)


def _posted_at(told: Told, room: int, posted: Posted) -> int:
    known = told.rooms[room]
    where = f"line {posted.line}: <message>: the id of message {posted.number}"
    return told.in_time(where, message_stamp(posted.message, known.changed), known.stamp)


def _place_referenced(told: Told, posted: Posted, references: Iterable[Reference]) -> None:
    """Store what users, rooms and settings refer to by a message's number."""
    for reference in references:
        _, collection, key, stamp, field, *_ = reference
        if not reference.wanted:
            continue
        if field:
            told.fields(collection, key, {field: posted.message.text("M")}, stamp, str(posted.number))
        else:
            data = posted.data
            if told.look.knows_some and collection in SHOWN:
                data = text_as_here(told.store, collection, key, data)
            elif collection == INBOX_RULES:
                data = rules_as_here(told.store, told.look.place, key, data)
            told.draft(collection, key, stamp, body=data, tag=str(posted.number))
