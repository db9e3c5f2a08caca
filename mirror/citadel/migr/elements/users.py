"""Users, and what they refer to; of an account that the server damaged nothing is taken over."""

from mirror.citadel.meaning.damaged import is_sound
from mirror.citadel.meaning.homes import INBOX_RULES
from mirror.citadel.migr.told import Told, lasting, number_in
from mirror.formats.keys import BORN_IMPORTED, imported_origin, seconds_stamp
from mirror.formats.migr import Element
from mirror.formats.server_own import replicated
from mirror.model.containers import picture_of_user
from mirror.model.record import Record, pack_head
from mirror.sync.foreign.plan import There

LAST_CALL = "u_lastcall"
RISING = frozenset({LAST_CALL})
"""Of a user's fields, that of which the greatest counts: a log-in says nothing of the others."""


def take_user(told: Told, element: Element) -> None:
    """Take over what the element says.  Raises CitadelError, ValueError where it is to be left out as a whole."""
    fields = element.children
    number = number_in(fields, "u_usernum")
    if not number and (told.keys.paired or not fields.get("u_fullname")):
        return  # 902 has one without a name beside SYS_Citadel, the server itself, and both have number 0
    told.users[number] = fields.get("u_fullname", "")
    if not is_sound(fields.get("u_fullname", ""), str(number), fields.get("u_axlevel", "0")):
        _pass_over_damaged(told, element, number)
        return
    key, origin = told.keys.user(number), imported_origin(told.report.node)
    called = told.in_time(
        f"line {element.line}: <user>: u_lastcall of user {number}", seconds_stamp(fields.get(LAST_CALL, ""))
    )
    lasts = told.keys.user_fields(replicated(element.name, fields), number)
    said = {
        name: (value, called if name in RISING else told.created, origin)
        for name, value in lasting(lasts, "u_fullname").items()
    }
    stamp = max(told.created, called if LAST_CALL in said else 1)
    record = Record("users", key, stamp, origin, BORN_IMPORTED, head=pack_head(said))
    told.tell(There(key, record, rising=RISING, partial=told.partial))
    stamp = told.created
    told.refer(element, "u_msgnum_bio", "bios", key, stamp)
    told.refer(element, "u_msgnum_pic", "pictures", picture_of_user(key), stamp)
    told.refer(element, "u_msgnum_inboxrules", INBOX_RULES, key, stamp)


def _pass_over_damaged(told: Told, element: Element, user: int) -> None:
    """Take nothing over from an account that the server damaged: what is here of it stays as it is."""
    told.damaged.add(user)
    told.look.has("users", [told.keys.user(user)])
    told.report.notice(
        f"line {element.line}: <user>: the account of user {user} is damaged: nothing of it is taken over, and "
        "what is here stays; mend it on the server, or delete it there"
    )
