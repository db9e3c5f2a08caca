"""What a Citadel server has for itself: values and rooms that say something of that one server and of no other.

They are read for what they say and are not replicated.  Values move without anybody's doing, or would be wrong on
another server; rooms of its own are queues, configuration, and what is left of a killed room.  Facts: version 980
and 902, recordings 08 and 902-03.  Values in, values out.
"""

import enum
import re
from collections.abc import Mapping

OWN_FIELDS: dict[str, frozenset[str]] = {
    # How far the rules were applied; numbers of messages that are taken over as bios, pictures and rules; counters.
    "user": frozenset(
        {"u_lastproc_inboxrules", "u_msgnum_bio", "u_msgnum_pic", "u_msgnum_inboxrules", "u_timescalled", "u_posted"}
    ),
    # When the server last wrote the room, and the highest number in it; messages that are taken over.
    "room": frozenset({"QRmtime", "QRhighest", "msgnum_info", "msgnum_pic"}),
    # How many rooms there are on it; in how many rooms a message is, and what the server has worked out of its text.
    "floor": frozenset({"f_ref_count"}),
    "message": frozenset({"msg_meta_refcount", "msg_meta_rfc822_length", "msg_meta_content_type", "msg_text"}),
}
"""By element, the fields that are the server's own; a message's text is kept apart from its other fields."""

_OWN_SETTING = re.compile(r"MM.*|host_key|c_ip_addr|c_port_number|c_(?!ldap_)[a-z0-9_]+_port")
"""Counters and levels of upgrades, the key that its sessions are made with, the ports and address it listens on."""

SHARED_SETTINGS = frozenset(
    {
        "c_aide_zap", "c_auto_cull", "c_creataide", "c_createax", "c_default_cal_zone", "c_disable_newu", "c_ep_mode",
        "c_ep_value", "c_guest_logins", "c_initax", "c_maxmsglen", "c_mbxep_mode", "c_mbxep_value", "c_moreprompt",
        "c_purge_hour", "c_regiscall", "c_restrict", "c_roompurge", "c_sleeping", "c_spam_flag_only", "c_sysadm",
        "c_twitdetect", "c_userpurge",
    }
)  # fmt: skip
"""Settings that say how a site is run, whichever server: nothing of a machine, of who may log in, or of mail's ways."""

_SETTING_TYPE = re.compile(r"content-type:\s*(application/x-citadel-[a-z0-9-]+)", re.ASCII | re.IGNORECASE)
_OWN_TYPES = frozenset({"application/x-citadel-ignet-map"})
"""What a server has learned of its network."""
QUEUE_VIEW = 11
_KILLED, _QUEUE = "9999999999.", "__Citadel"
_CONFIGURATION = "Local System Configuration"
IN_TRANSIT = "Citadel Mirror in transit"
"""The room of a user's own in which messages are that are being written into the server; others have a number more."""
NETCONF_SETTING = "c_netconfig_"
"""Settings that begin so hold the network configuration of the room whose number follows, in ten digits."""
ROOM_PASSWORD_CHARACTERS = 10
"""So many of a room's password a server keeps."""
MOMENTARY = "Citadel Mirror gives another name "
"""So begins what a user or room is called for a moment, while two of them swap their names: nobody gave it that."""
_TRANSIT = re.compile(rf"\d{{10}}\.{IN_TRANSIT}(?: \d+)?", re.ASCII)
_OF_A_USER = re.compile(r"(\d{10})\.My Citadel Config", re.ASCII)


def replicated(element: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Return those fields of an element that are not the server's own."""
    own = OWN_FIELDS.get(element, frozenset())
    return {name: value for name, value in fields.items() if name not in own}


def is_own_setting(key: str) -> bool:
    """Tell whether a setting is the server's own."""
    return _OWN_SETTING.fullmatch(key) is not None


def netconf_setting(room: int) -> str:
    """Return the name of the setting that holds a room's network configuration, in base64."""
    return f"{NETCONF_SETTING}{room:010d}"


def setting_type(text: str) -> str:
    """Return which setting a message of the server's configuration room holds, by its content type; or nothing."""
    found = _SETTING_TYPE.match(text)
    return found[1].lower() if found and found[1].lower() not in _OWN_TYPES else ""


class Use(enum.Enum):
    """What a server's room is for."""

    PEOPLE = "messages of people: a room of ours"
    CONFIGURATION = "the server's settings, rooms' texts and pictures"
    USER_CONFIGURATION = "one user's vCard, bio, picture, rules, and what programs keep for the user"
    QUEUE = "messages on their way out, which would be sent twice if they were written elsewhere"
    KILLED = "what is left of a room until the nightly purge"
    LEFT_OUT = "a room of people that is not followed"


def use_of_room(name: str, view: str) -> Use:
    """Return what a room is for, by its stored name and its default view (decimal)."""
    if name.startswith(_KILLED):
        return Use.KILLED
    if name.startswith(_QUEUE) or _TRANSIT.fullmatch(name) or view.strip() == str(QUEUE_VIEW):
        return Use.QUEUE
    if name == _CONFIGURATION:
        return Use.CONFIGURATION
    return Use.USER_CONFIGURATION if _OF_A_USER.fullmatch(name) else Use.PEOPLE


def user_of_room(name: str) -> int:
    """Return the number of the user whose configuration a room holds; 0 for all other rooms."""
    found = _OF_A_USER.fullmatch(name)
    return int(found[1]) if found else 0
