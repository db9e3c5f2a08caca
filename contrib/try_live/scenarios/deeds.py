"""What is done on one server, and what is seen there, by the names that people know things by."""

import base64
from collections.abc import Sequence

from netconf.acting import acting_lines
from try_live.pair import Side
from try_live.places import PUBLIC, Parameters
from try_live.posting import MIME, hand_over
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require_equal
from try_live.session import posts_in
from try_live.world import BOARD, Account, Room, User

PASSWORD = "secret"
"""Of each user that is made."""


def make_user(side: Side, name: str) -> None:
    """Make a user, who logs in once and so has a mailbox."""
    make_account(side, name)
    with side.world.as_user(User(name, 0, 0)) as session:
        session.ask("NOOP")


def make_account(side: Side, name: str, last_call: int = 0, days: int = 0) -> None:
    """Make a user who did not log in since a moment (Unix seconds), and whom the server keeps for so many days."""
    side.world.make_account(Account(name, PASSWORD, flags=0, level=4, number=0, lastcall=last_call, purge=days))


def require_on_both(stage: Stage, room: str, wanted: Sequence[str]) -> None:
    """Raise NotHeld unless a room has posts of just these subjects on both servers; in order of letters."""
    for side in stage.sides:
        require_equal(subjects(side, room), [*wanted], f"{room} on {side.name}")


def pair_user(stage: Stage, name: str) -> None:
    """Have the users of one name that were made on both servers be one, the first server's; waits until it is so."""
    numbers = [number_of(side, name) for side in stage.sides]
    key = f"{stage.alpha.name}:{numbers[0]}"
    stage.beta.node.run("attach", "pair", stage.beta.name, "users", str(numbers[1]), key)
    stage.until(lambda: not any(name in line for line in stage.beta.status().left_there), f"{name} is not paired")
    stage.settle()


def set_password(side: Side, name: str, password: str) -> None:
    side.world.set_account(side.world.account(User(name, 0, 0))._replace(password=password))


def password_of(side: Side, name: str) -> str:
    return side.world.account(User(name, 0, 0)).password


def last_call_of(side: Side, name: str) -> int:
    """Return when a user logged in last on a server, in Unix seconds."""
    return side.world.account(User(name, 0, 0)).lastcall


def number_of(side: Side, name: str) -> int:
    """Return a user's number on a server."""
    return side.world.account(User(name, 0, 0)).number


def user_names(side: Side) -> set[str]:
    return {user.name for user in side.world.users()}


def delete_user(side: Side, name: str) -> None:
    side.world.set_account(side.world.account(User(name, 0, 0))._replace(level=0))


def inbox_of(side: Side, name: str) -> str:
    """Return what an administrator calls a user's inbox."""
    return f"{number_of(side, name):010d}.Mail"


def rule(action: str, word: str = "") -> str:
    """Return an inbox rule for what has a word in its subject, or for all without one."""
    field = "subject" if word else "all"
    return base64.b64encode(f"0|{field}|contains|{word}|larger|0|{action}||stop".encode()).decode()


def set_rules(side: Side, user: str, *rules: str) -> None:
    with side.world.as_user(User(user, 0, 0)) as session:
        session.tell("PIBR", [f"rule|{at}|{one}" for at, one in enumerate(rules)])


def make_room(side: Side, name: str, view: int = BOARD) -> None:
    side.world.admin.ask(f"CRE8 1|{name}|{PUBLIC}||0|0|{view}")


def set_lines(side: Side, room: str, *lines: str) -> None:
    """Have a room's network configuration be some lines."""
    side.world.admin.go(room)
    side.world.admin.tell("SNET", lines)


def lines_in(side: Side, room: str) -> list[str]:
    """Return the lines of a room's network configuration that have the server do something by itself."""
    side.world.witness.go(room)
    return acting_lines("\n".join(side.world.witness.lines("GNET")).encode())


def move_lines(stage: Stage, room: str, there: Side) -> None:
    """Have what a room's lines do be done by a server from now on; waits until it is so."""
    (last,) = [side for side in stage.sides if side is not there]
    there.node.run("attach", "failover", there.name, "--rooms", room, "--yes")
    stage.until(lambda: bool(lines_in(there, room)), f"what acts in {room} does not move to {there.name}")
    require_equal(lines_in(last, room), [], f"what acts in {room} on {last.name}")
    stage.settle()


def find_room(side: Side, name: str) -> Room:
    """Return a room of a server.  Raises StopIteration where there is none of that name."""
    return next(room for room in side.world.rooms() if room.name == name)


def room_names(side: Side) -> set[str]:
    return {room.name for room in side.world.rooms()}


def rename_room(side: Side, name: str, new: str) -> None:
    parameters = Parameters(side.world, find_room(side, name))
    parameters.name = new
    parameters.write()


def kill_room(side: Side, name: str) -> None:
    side.world.admin.go(name)
    side.world.admin.ask("KILL 1")


def make_list(side: Side, room: str, *lines: str) -> None:
    """Have a room be a mailing list of what is posted from now on, by lines of its network configuration."""
    admin = side.world.admin
    admin.go(room)
    highest = admin.ask("CONF GETVAL|MMhighest").fields[0]
    admin.tell("SNET", [f"lastsent|{highest}", *lines])


def post(side: Side, room: str, *subjects: str) -> None:
    """Post some messages, which say their subjects once more."""
    side.world.admin.go(room)
    text = ["Content-type: text/plain", ""]
    side.world.admin.ask_all([(f"ENT0 1||0|{MIME}|{one}", [*text, f"This is {one}.", "000"]) for one in subjects])


def put(side: Side, room: str, uid: str, text: Sequence[str]) -> None:
    """Put an item into a room, in place of the one of that id where there is one."""
    side.world.admin.go(room)
    side.world.admin.ask(f"ENT0 1||0|{MIME}|||1|||{uid}", text)


def event(uid: str, *said: str) -> list[str]:
    """Return the lines of an event, as they are put into a calendar."""
    return [
        *("Content-type: text/calendar; charset=UTF-8; method=PUBLISH", ""),
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//citadel-mirror//try-live//EN", "METHOD:PUBLISH"),
        *("BEGIN:VEVENT", f"UID:{uid}", "SEQUENCE:0", "DTSTAMP:20260101T000000Z", "DTSTART:20260501T120000Z"),
        *(*said, "END:VEVENT", "END:VCALENDAR"),
    ]


def mail(side: Side, user: str, subject: str) -> None:
    """Have a mail from elsewhere be delivered to a user, at an address of the server: on each server the same one."""
    lines = _mail_lines(f"{user} <user@example.org>", subject)
    hand_over(side.world, subject, [_address(side, user)], lines)


def mail_to_room(side: Side, room: str, subject: str, sender: str) -> None:
    """Have somebody elsewhere mail to a room, at its address on a server.  Raises Refused."""
    address = _address(side, f"room_{room}")
    hand_over(side.world, subject, [address], _mail_lines(address, subject), sender)


def _address(side: Side, name: str) -> str:
    domain = side.world.witness.ask("CONF GETVAL|c_fqdn").fields[0]
    return f"{name.replace(' ', '_')}@{domain}"


def _mail_lines(to: str, subject: str) -> list[str]:
    return [
        "From: Somebody Else <somebody@other.example.net>",
        f"To: {to}",
        f"Subject: {subject}",
        "Date: Mon, 05 Jan 2026 12:00:00 +0000",
        f"Message-ID: <{subject.replace(' ', '-')}@other.example.net>",
        *("MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "", f"This is {subject}."),
    ]


def subjects(side: Side, room: str) -> list[str]:
    """Return the subjects of a room's messages, in order of letters."""
    return sorted(post.subject for post in posts_in(side.world.witness, room))


def number_in(side: Side, room: str, subject: str) -> int:
    """Return the number of the message of a subject in a room.  Raises StopIteration where there is none."""
    return next(post.number for post in posts_in(side.world.witness, room) if post.subject == subject)


def delete(side: Side, room: str, subject: str) -> None:
    number = number_in(side, room, subject)
    side.world.admin.go(room)
    side.world.admin.ask(f"DELE {number}")


def move(side: Side, room: str, subject: str, target: str) -> None:
    number = number_in(side, room, subject)
    side.world.admin.go(room)
    side.world.admin.ask(f"MOVE {number}|{target}|0")


def texts(side: Side, room: str) -> list[str]:
    """Return what a room's messages are, each as it would be sent on."""
    numbers = side.world.numbers(find_room(side, room))
    return ["\n".join(side.world.witness.lines(f"MSG2 {number}|0")) for number in numbers]
