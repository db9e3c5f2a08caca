"""Messages: posts, mail, items of calendars and address books, and what becomes of them later."""

import base64
import smtplib
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from try_live.errors import NotNow, Refused
from try_live.imap import literal
from try_live.operations import kind
from try_live.session import AGAIN_S, Session
from try_live.world import (
    ANONYMOUS_OPTION,
    BOARD,
    CALENDAR,
    CONTACTS,
    IN_TRANSIT,
    ITEM_VIEWS,
    MAIL,
    NOTES,
    SYSTEM_ROOM,
    TASKS,
    Room,
    User,
    World,
)

FLOWING, FIXED, MIME = 0, 1, 4
OTHER = "bounce@other.example.net"
"""Who hands a mail over, unless somebody else does."""
ATTACHMENT_BYTES = 60_000
"""So large that a mirror keeps it apart from its record."""


def send_post(session: Session, subject: str, form: int, lines: list[str], euid: str = "", anonymous: int = 0) -> None:
    """Post into the present room of a session.  Raises Refused."""
    session.ask(f"ENT0 1||{anonymous}|{form}|{subject}||1|||{euid}", lines)


def body(world: World) -> tuple[int, list[str]]:
    """Return a message's format and its lines."""
    form = world.chance.choice((FLOWING, FLOWING, FIXED, MIME, MIME))
    if form == FLOWING:
        return form, [*world.lines(1, 12), " an indented line", "", *world.lines(0, 3)]
    if form == FIXED:
        return form, ["column 1   column 2", "000 is not alone here", *world.lines(1, 5)]
    if world.chance.random() < 0.2:
        return form, _with_attachment(world)
    head = ["Content-type: text/html; charset=UTF-8", "Content-transfer-encoding: 8bit", ""]
    return form, [*head, "<p>", *world.lines(1, 8), "</p>"]


def _with_attachment(world: World) -> list[str]:
    data = base64.encodebytes(world.chance.randbytes(ATTACHMENT_BYTES)).decode().splitlines()
    return [
        *("MIME-Version: 1.0", "Content-type: multipart/mixed; boundary=bnd", "", "--bnd"),
        *("Content-type: text/plain; charset=UTF-8", "", *world.lines(1, 4), "--bnd"),
        *("Content-type: application/octet-stream; name=data.bin", "Content-transfer-encoding: base64", ""),
        *(*data, "--bnd--"),
    ]


# -- posts and mail -----------------------------------------------------------------------------------


@kind("post", "post, mail, calendar replace", 12)
def post(world: World) -> None:
    rooms = [room for room in world.rooms() if room.public and room.view in (BOARD, MAIL)]
    room, user = world.one(rooms), world.one(world.writers())
    form, lines = body(world)
    anonymous = int(bool(room.flags & ANONYMOUS_OPTION) and world.chance.random() < 0.5)
    with world.in_room(user, room.name) as session:
        send_post(session, world.words(1, 6), form, lines, anonymous=anonymous)


@kind("mail", "post, mail, calendar replace", 6)
def mail(world: World) -> None:
    sender, recipients = world.one(world.writers()), world.some(world.users(), 3)
    names, copies = ",".join(user.name for user in recipients), world.one(world.users()).name
    with world.in_room(sender, "_MAIL_") as session:
        lines = ["Content-type: text/plain; charset=UTF-8", "", *world.lines(1, 9)]
        session.ask(f"ENT0 1|{names}|0|{MIME}|{world.words(1, 5)}||1|{copies}", lines)


@kind("mail from outside", "post, mail, calendar replace", 6)
def mail_from_outside(world: World) -> None:
    deliver(world, world.unique("mail").replace(" ", "-"), world.some(world.users(), 3))


@kind("two mails of one Message-ID", "post, mail, calendar replace", 2)
def twin_mail(world: World) -> None:
    """The same message id twice in one mailbox, with different texts: some senders do that."""
    recipients, name = world.some(world.users(), 2), world.unique("twin").replace(" ", "-")
    deliver(world, name, recipients)
    deliver(world, name, recipients)


def deliver(world: World, name: str, recipients: list[User]) -> None:
    """Deliver a mail that comes from another server, as a mail server does, with CR before LF.  Raises Refused."""
    lines = [
        "From: Somebody Else <somebody@other.example.net>",
        f"To: {recipients[0].name} <user@alpha.example.org>",
        f"Subject: {world.words(1, 5)}",
        f"Date: {_past_date(world)}",
        f"Message-ID: <{name}@other.example.net>",
        *("MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: 8bit", ""),
        *world.lines(1, 9),
    ]
    domain = world.witness.ask("CONF GETVAL|c_fqdn").fields[0]
    hand_over(world, name, [f"{user.name.replace(' ', '_')}@{domain}" for user in recipients], lines)


def hand_over(world: World, name: str, addresses: list[str], lines: Sequence[str], sender: str = OTHER) -> None:
    """Hand a mail over to a server, by the lines of it; ``name`` is what the log calls it.  Raises Refused."""
    # Closed without a QUIT, whose reply would be taken for that of the next recipient.
    with closing(_lmtp(world)) as lmtp:
        text = "\r\n".join(lines).encode() + b"\r\n"
        world.told(f"LMTP {name} to {', '.join(addresses)}")
        try:
            lmtp.sendmail(sender, addresses, text)
        except smtplib.SMTPException as error:
            raise Refused(f"mail to {addresses}: {error}") from None


def _lmtp(world: World) -> smtplib.LMTP:
    """Connect, as often as the server turns everybody away, which it does while it exports."""
    while True:
        try:
            return smtplib.LMTP(str(world.server.lmtp_socket))
        except smtplib.SMTPConnectError:
            time.sleep(AGAIN_S)


def _past_date(world: World) -> str:
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=world.chance.randrange(2_000_000))
    return format_datetime(moment)


@kind("mail put into a folder by IMAP", "post, mail, calendar replace", 2)
def append(world: World) -> None:
    user, name = world.one(world.writers()), world.unique("appended").replace(" ", "-")
    lines = [
        f"From: {user.name} <{name}@alpha.example.org>",
        f"Subject: {name}",
        f"Date: {_past_date(world)}",
        f"Message-ID: <{name}@alpha.example.org>",
        "",
        *(line.encode("ascii", "replace").decode() for line in world.lines(1, 9)),
    ]
    text = "\r\n".join(lines).encode() + b"\r\n"
    world.by_imap(user, b"APPEND INBOX " + literal(text))


# -- items ------------------------------------------------------------------------------------------------


@kind("item made", "post, mail, calendar replace", 6)
def item_made(world: World) -> None:
    room = world.one([room for room in world.rooms() if room.public and room.view in ITEM_VIEWS])
    put_item(world, room, world.unique("item").replace(" ", "-"), 0)


@kind("item replaced", "post, mail, calendar replace", 6)
def item_replaced(world: World) -> None:
    room, uid = an_item(world)
    put_item(world, room, uid, 1 + world.chance.randrange(5))


@kind("item replaced by an older one", "post, mail, calendar replace", 2)
def item_set_back(world: World) -> None:
    """A lower SEQUENCE replaces a higher one on a server, whatever RFC 5546 says."""
    room, uid = an_item(world, (CALENDAR, TASKS))
    put_item(world, room, uid, 0)


@kind("item of one's own", "post, mail, calendar replace", 3)
def own_item(world: World) -> None:
    user, folder = world.one(world.writers()), world.one(("_CALENDAR_", "_CONTACTS_", "_TASKS_", "_NOTES_"))
    view = {"_CALENDAR_": CALENDAR, "_CONTACTS_": CONTACTS, "_TASKS_": TASKS, "_NOTES_": NOTES}[folder]
    uid = world.unique("own").replace(" ", "-")
    with world.in_room(user, folder) as session:
        send_post(session, "", MIME, item_lines(world, view, uid, 0), uid)


def an_item(world: World, views: tuple[int, ...] = ITEM_VIEWS) -> tuple[Room, str]:
    """Return a room with items, and the exclusive id of one.  Raises NotNow."""
    rooms = [room for room in world.rooms() if room.public and room.view in views]
    room, _ = world.filled_room(rooms)
    return room, world.one([uid for uid in world.items(room) if "/" not in uid])


def put_item(world: World, room: Room, uid: str, sequence: int) -> None:
    """Write an item into a public room: a new one, or the next version of one."""
    with world.in_room(world.one(world.writers()), room.name) as session:
        send_post(session, uid, MIME, item_lines(world, room.view, uid, sequence), uid)


def item_lines(world: World, view: int, uid: str, sequence: int) -> list[str]:
    """Return the text of an item as the rooms of a view hold it."""
    if view == CONTACTS:
        return _contact(world, uid)
    if view in (CALENDAR, TASKS):
        return _calendar_item(world, view, uid, sequence)
    if view == NOTES:
        return ["Content-type: text/vnote", "", "BEGIN:VNOTE", "VERSION:1.1", f"UID:{uid}", *_note(world), "END:VNOTE"]
    return ["Content-type: text/html; charset=UTF-8", "", f"<h1>{world.words(1, 4)}</h1>", *world.lines(1, 5)]


def _note(world: World) -> list[str]:
    return [f"BODY:{world.words(2, 9)}"]


def _contact(world: World, uid: str) -> list[str]:
    first, last = world.one(WORDS_OF_NAMES), world.one(WORDS_OF_NAMES)
    return [
        *("Content-type: text/vcard; charset=UTF-8", "", "BEGIN:VCARD", "VERSION:3.0", f"UID:{uid}"),
        *(f"FN:{first} {last}", f"N:{last};{first};;;", f"EMAIL;TYPE=INTERNET:{uid}@example.net", "END:VCARD"),
    ]


WORDS_OF_NAMES = ("Zoë", "Yan", "Núñez", "Meyer", "Петров", "O'Neil", "Lee")


def _calendar_item(world: World, view: int, uid: str, sequence: int) -> list[str]:
    day, hour = world.chance.randint(1, 28), world.chance.randint(0, 20)
    when = f"202405{day:02d}T{hour:02d}0000Z"
    name = "VEVENT" if view == CALENDAR else "VTODO"
    times = [f"DTSTART:{when}", f"DTEND:202405{day:02d}T{hour + 2:02d}0000Z"] if view == CALENDAR else [f"DUE:{when}"]
    return [
        *("Content-type: text/calendar; charset=UTF-8; method=PUBLISH", "Content-transfer-encoding: 8bit", ""),
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//citadel-mirror//try-live//EN", "METHOD:PUBLISH"),
        *(f"BEGIN:{name}", f"UID:{uid}", f"SEQUENCE:{sequence}", "DTSTAMP:20240101T000000Z", *times),
        *(f"SUMMARY:{world.words(1, 5)}", f"END:{name}", "END:VCALENDAR"),
    ]


# -- what becomes of messages -----------------------------------------------------------------------------


def _kept(world: World) -> list[Room]:
    """Return the rooms whose messages somebody may delete or move, but for those that the server writes by itself.

    It does that when it finds the time; drawing there would make a seed's operations others at each run.
    """
    return [room for room in world.rooms() if not (room.flags2 & SYSTEM_ROOM or _is_of_programs(room))]


def _is_of_programs(room: Room) -> bool:
    """Tell whether a room is an address book, which the server writes, or where a mirror's messages are in transit."""
    return room.name == "Global Address Book" or (room.mailbox and room.name[11:] in ("Contacts", IN_TRANSIT))


@kind("message deleted", "delete (oldest too), move, copy", 8)
def message_deleted(world: World) -> None:
    room, numbers = world.filled_room(_kept(world), 2)
    world.admin.go(room.name)
    world.admin.ask(f"DELE {','.join(str(number) for number in world.some(numbers, 3))}")


@kind("oldest message deleted", "delete (oldest too), move, copy", 3)
def oldest_deleted(world: World) -> None:
    room, numbers = world.filled_room(_kept(world), 2)
    world.admin.go(room.name)
    world.admin.ask(f"DELE {numbers[0]}")


@kind("message moved", "delete (oldest too), move, copy", 4)
def message_moved(world: World) -> None:
    _carry(world, 0)


@kind("message copied", "delete (oldest too), move, copy", 4)
def message_copied(world: World) -> None:
    _carry(world, 1)


def _carry(world: World, keep: int) -> None:
    boards = [room for room in _kept(world) if room.view in (BOARD, MAIL)]
    room, numbers = world.filled_room(boards, 2)
    target = world.one([other for other in boards if other != room])
    carried = world.some(numbers, 2)
    ids, there = world.ids(room), set(world.ids(target).values())
    if any(ids.get(number) in there for number in carried):
        raise NotNow  # it would be there twice, which tells nothing of who mirrors it
    world.admin.go(room.name)
    world.admin.ask(f"MOVE {','.join(map(str, carried))}|{target.name}|{keep}")
