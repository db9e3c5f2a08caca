"""A made-up Citadel server whose state is changed by calls, and that is exported as version 980 does it."""

import base64
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from mirror.formats.message import parse_message

Fields = dict[str, str]
CREATED = 1690000000


@dataclass
class Server:
    """Users, rooms, messages and visits by their numbers; what a call deletes is gone from the next export."""

    settings: Fields = field(default_factory=lambda: {"c_humannode": "Alpha"})
    users: dict[int, Fields] = field(default_factory=dict)
    rooms: dict[int, Fields] = field(default_factory=dict)
    lists: dict[int, list[int]] = field(default_factory=dict)
    messages: dict[int, bytes] = field(default_factory=dict)
    floors: dict[int, Fields] = field(default_factory=dict)
    visits: dict[tuple[int, int], Fields] = field(default_factory=dict)
    highest: int = 0
    created: int = CREATED

    def user(self, number: int, name: str, called: int = CREATED + 100, **more: str) -> None:
        fields = {"u_axlevel": "4", "u_usernum": str(number), "u_lastcall": str(called), "u_fullname": name}
        self.users[number] = {**fields, **more}

    def room(self, number: int, name: str, changed: int = CREATED + 200, **more: str) -> None:
        fields = {"QRname": name, "QRgen": "1", "QRflags": "2", "QRnumber": str(number), "QRmtime": str(changed)}
        self.rooms[number] = {**fields, **more}
        self.lists.setdefault(number, [])

    def post(self, room: int, text: str, *, name: str = "", euid: str = "") -> int:
        """Post a message, or replace an item; returns its number."""
        self.highest += 1
        head = f"E{euid}\0" if euid else f"I{name or f'{CREATED + self.highest:08X}-{self.highest:08X}@alpha'}\0"
        self.messages[self.highest] = f"\xffA\x04{head}T{CREATED + 300}\0AAnn\0OLobby\0Us\0M{text}\0".encode("latin-1")
        self.lists[room] = [one for one in self.lists[room] if not euid or self.exclusive_id(one) != euid]
        self.lists[room].append(self.highest)
        return self.highest

    def exclusive_id(self, number: int) -> str:
        return parse_message(self.messages[number]).text("E") if number in self.messages else ""

    def hold(self, text: str) -> int:
        """Keep a text as a message that is in no room; returns its number."""
        self.highest += 1
        self.messages[self.highest] = f"\xffA\x04I{self.highest}@alpha\0M{text}\0".encode("latin-1")
        return self.highest

    def visit(self, room: int, user: int, seen: str, answered: str = "", **more: str) -> None:
        fields = {"v_roomnum": str(room), "v_roomgen": "1", "v_usernum": str(user), "v_seen": seen, "v_flags": "2"}
        self.visits[room, user] = {**fields, **({"v_answered": answered} if answered else {}), **more}

    def export(self) -> bytes:
        settings = {"c_nodename": "alpha", "c_config_created_or_migrated": str(self.created), **self.settings}
        parts = ['<?xml version="1.0" encoding="UTF-8" ?>\n<citadel_migrate_data>\n<version>980</version>\n']
        parts += [f'<config key="{key}">{escape(value)}</config>\n' for key, value in settings.items()]
        parts.append(f'<config key="MMhighest">{self.highest}</config>\n')
        parts += [_element("user", fields) for fields in self.users.values()]
        for number, fields in self.rooms.items():
            listed = ",\n".join(map(str, self.lists[number]))
            parts.append(_element("room", fields))
            parts.append(_element("room_messages", {"FRname": fields["QRname"], "FRmsglist": listed}))
        parts += [_element("floor", fields) for fields in self.floors.values()]
        parts += [_element("visit", fields) for fields in self.visits.values()]
        parts.append("<progress>25</progress>\n")
        named = {number for numbers in self.lists.values() for number in numbers} | self._referred()
        parts += [
            _element("message", {"msg_msgnum": str(number), "msg_text": base64.b64encode(data).decode()})
            for number, data in self.messages.items()
            if number in named
        ]
        return "".join([*parts, "</citadel_migrate_data>\n"]).encode()

    def _referred(self) -> set[int]:
        named = ("u_msgnum_bio", "u_msgnum_pic", "u_msgnum_inboxrules", "msgnum_info", "msgnum_pic")
        of_both = [*self.users.values(), *self.rooms.values()]
        numbers = {int(fields[name]) for fields in of_both for name in named if name in fields}
        return numbers | {int(text) for key, text in self.settings.items() if key.startswith("application/")}


def _element(name: str, fields: Fields) -> str:
    inside = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in fields.items())
    return f"<{name}>\n{inside}\n</{name}>\n"
