"""What a user does that changes no message: reading, answering, forgetting a room, choosing a view, logging in."""

from try_live.errors import NotNow
from try_live.operations import kind
from try_live.session import Session
from try_live.world import Room, User, World

ROW = "read, answered, SLRP, view, forget"


def _reader(world: World) -> tuple[User, Room, list[int]]:
    """Return a user, a public room that has messages, and their numbers."""
    user = world.one(world.writers())
    room, numbers = world.filled_room([room for room in world.rooms() if room.public])
    return user, room, numbers


def _mark(world: World, seen: int, most: int) -> None:
    user, room, numbers = _reader(world)
    with world.in_room(user, room.name) as session:
        for number in world.some(numbers, most):
            session.ask(f"SEEN {number}|{seen}")


@kind("read", ROW, 8)
def read(world: World) -> None:
    _mark(world, 1, 4)


@kind("unread again", ROW, 4)
def unread(world: World) -> None:
    _mark(world, 0, 2)


@kind("read up to here", ROW, 4)
def read_up_to(world: World) -> None:
    user, room, numbers = _reader(world)
    with world.in_room(user, room.name) as session:
        session.ask(f"SLRP {world.one([*map(str, numbers), 'highest'])}")


@kind("own mail read", ROW, 3)
def own_mail_read(world: World) -> None:
    with world.in_room(world.one(world.writers()), "_MAIL_") as session:
        session.ask(f"SEEN {world.one(session.lines('MSGS ALL'))}|1")


def _answer(world: World, change: str) -> None:
    user = world.one(world.writers())
    number = world.one(world.mail_of(user))
    world.by_imap(user, b"SELECT INBOX", f"UID STORE {number} {change}FLAGS.SILENT (\\Answered)".encode())


@kind("answered", ROW, 3)
def answered(world: World) -> None:
    _answer(world, "+")


@kind("answered taken back", ROW)
def answered_taken_back(world: World) -> None:
    _answer(world, "-")


@kind("view chosen", ROW, 2)
def view_chosen(world: World) -> None:
    user, room, _ = _reader(world)
    with world.in_room(user, room.name) as session:
        session.ask(f"VIEW {world.chance.choice((0, 1, room.view))}")


@kind("room forgotten", ROW, 2)
def room_forgotten(world: World) -> None:
    user, room = world.one(world.writers()), world.one([room for room in world.ordinary() if room.public])
    with world.in_room(user, room.name) as session:
        session.ask("FORG")


@kind("forgotten room taken up again", ROW)
def room_taken_up(world: World) -> None:
    with world.as_user(world.one(world.writers())) as session:
        session.ask(f"GOTO {world.one(_forgotten(session))}")


def _forgotten(session: Session) -> list[str]:
    names = [line.split("|")[0] for line in session.lines("LZRM")]
    if not names:
        raise NotNow
    return names


@kind("log-in", "user logs in", 4)
def log_in(world: World) -> None:
    with world.as_user(world.one([user for user in world.users() if world.account(user).password])) as session:
        session.ask("NOOP")
