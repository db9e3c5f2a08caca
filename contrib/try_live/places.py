"""Rooms and floors: made, killed, renamed, and everything that is said of them."""

from try_live.errors import NotNow
from try_live.operations import kind
from try_live.people import PICTURES
from try_live.world import (
    ANONYMOUS_ONLY,
    ANONYMOUS_OPTION,
    BLOG,
    BOARD,
    CALENDAR,
    COLLABORATIVE,
    CONTACTS,
    DIRECTORY,
    DOWNLOAD,
    FIRST_FOLDERS,
    GUESS_NAME,
    MAIL,
    NETWORK,
    NOTES,
    PASSWORDED,
    PRIVATE,
    READ_ONLY,
    TASKS,
    UPLOAD,
    VISIBLE,
    WIKI,
    Room,
    World,
)

MADE, FLAGS, FLOOR = (
    "room made / killed",
    "flags, aide, order, view, floor, room expiry, info, picture",
    "floor made, renamed",
)
PUBLIC, GUESS, PASSWORD, INVITATION, OWN = range(5)
"""Types of rooms, as CRE8 has them."""
NAMES = ("Support", "Dépôt 📦", "Q&A <all>", "News", "Team/Plans", "Ünterlagen", "O'Neil's \"room\"")
CHANGED_FLAGS = (READ_ONLY, ANONYMOUS_ONLY, ANONYMOUS_OPTION, NETWORK, PRIVATE, PRIVATE | GUESS_NAME)
VIEWS = (BOARD, BOARD, BOARD, MAIL, CONTACTS, CALENDAR, TASKS, NOTES, WIKI, BLOG)


class Parameters:
    """A room's parameters, read by GETR and written by SETR."""

    def __init__(self, world: World, room: Room) -> None:
        self._world = world
        world.admin.go(room.name)
        self.name, self.password, self.directory, *numbers = world.admin.ask("GETR").fields[:8]
        self.flags, self.floor, self.order, self.view, self.flags2 = map(int, numbers)
        self.forget = 0
        """Whether everybody is to forget the room: it gets a new generation."""

    def write(self) -> None:
        """Raises Refused."""
        words = (self.name, self.password, self.directory, self.flags, self.forget, self.floor, self.order)
        self._world.admin.ask(f"SETR {'|'.join(map(str, words))}|{self.view}|{self.flags2}|")


def make_room(world: World, type_: int, view: int) -> str:
    """Make a room on some floor, and return its name."""
    name = world.unique(world.one(NAMES))
    floor = world.one(world.floors())[0]
    secret = "sesame" if type_ == PASSWORD else ""
    world.admin.ask(f"CRE8 1|{name}|{type_}|{secret}|{floor}|0|{view}")
    return name


@kind("room made", MADE, 3)
def room_made(world: World) -> None:
    make_room(world, world.chance.choice((PUBLIC, PUBLIC, GUESS, PASSWORD, INVITATION)), world.chance.choice(VIEWS))


@kind("directory room made", MADE)
def directory_made(world: World) -> None:
    name = make_room(world, PUBLIC, BOARD)
    parameters = Parameters(world, next(room for room in world.rooms() if room.name == name))
    parameters.directory = world.unique("dir").replace(" ", "")
    parameters.flags |= DIRECTORY | UPLOAD | DOWNLOAD | VISIBLE
    parameters.write()


@kind("room killed", MADE, 2)
def room_killed(world: World) -> None:
    rooms = world.ordinary()
    if len(rooms) < 5:
        raise NotNow
    world.admin.go(world.one(rooms).name)
    world.admin.ask("KILL 1")


@kind("folder made", MADE, 2)
def folder_made(world: World) -> None:
    with world.as_user(world.one(world.writers())) as session:
        session.ask(f"CRE8 1|{world.unique('Folder')}|{OWN}||0|0|{world.chance.choice((MAIL, CALENDAR, CONTACTS))}")


@kind("folder killed", MADE)
def folder_killed(world: World) -> None:
    user = world.one(world.writers())
    folders = [room.name[11:] for room in world.rooms() if room.owner == user.number]
    with world.in_room(user, world.one([name for name in folders if name not in FIRST_FOLDERS])) as session:
        session.ask("KILL 1")


@kind("room renamed", "room renamed", 3)
def room_renamed(world: World) -> None:
    parameters = Parameters(world, world.one(world.ordinary()))
    parameters.name = world.unique(world.one(NAMES))
    parameters.write()


@kind("room flags", FLAGS, 3)
def room_flags(world: World) -> None:
    room = world.one(world.ordinary())
    parameters = Parameters(world, room)
    parameters.flags ^= world.chance.choice(CHANGED_FLAGS)
    parameters.flags2 ^= world.chance.choice((0, COLLABORATIVE))
    parameters.write()


@kind("room password", FLAGS)
def room_password(world: World) -> None:
    parameters = Parameters(world, world.one(world.ordinary()))
    parameters.flags |= PRIVATE | PASSWORDED
    parameters.password = f"pw{world.chance.randrange(1000)}"
    parameters.write()


@kind("room forgotten by all", FLAGS)
def room_forgotten_by_all(world: World) -> None:
    parameters = Parameters(world, world.one(world.ordinary()))
    parameters.forget = 1
    parameters.write()


@kind("room order", FLAGS)
def room_order(world: World) -> None:
    parameters = Parameters(world, world.one(world.ordinary()))
    parameters.order = world.chance.randint(1, 127)
    parameters.write()


@kind("room view", FLAGS)
def room_view(world: World) -> None:
    parameters = Parameters(world, world.one([room for room in world.ordinary() if room.view in (BOARD, MAIL)]))
    parameters.view = BOARD if parameters.view == MAIL else MAIL
    parameters.write()


@kind("room floor", FLAGS)
def room_floor(world: World) -> None:
    parameters = Parameters(world, world.one(world.ordinary()))
    parameters.floor = world.one([number for number, _, _ in world.floors() if number != parameters.floor])
    parameters.write()


@kind("room aide", FLAGS)
def room_aide(world: World) -> None:
    world.admin.go(world.one(world.ordinary()).name)
    world.admin.ask(f"SETA {world.one(world.users()).name}")


@kind("room expiry", FLAGS)
def room_expiry(world: World) -> None:
    world.admin.go(world.one(world.ordinary()).name)
    world.admin.ask(f"SPEX room|{world.chance.choice(('0|0', '1|0', '2|500', '3|3000'))}")


@kind("room info", FLAGS, 2)
def room_info(world: World) -> None:
    world.admin.go(world.one(world.ordinary()).name)
    world.admin.tell("EINF 1", [*world.lines(1, 3), " an indented line", "000x is not the end"])


@kind("room picture", FLAGS)
def room_picture(world: World) -> None:
    picture = world.one(PICTURES)
    world.admin.go(world.one(world.ordinary()).name)
    world.admin.ask(f"ULRI {len(picture)}|image/png", data=picture)


@kind("user invited", "INVT (KICK: from source)", 2)
def user_invited(world: World) -> None:
    world.admin.go(world.one([room for room in world.ordinary() if room.flags & PRIVATE]).name)
    world.admin.ask(f"INVT {world.one(world.users()).name}")


@kind("user kicked", "INVT (KICK: from source)")
def user_kicked(world: World) -> None:
    world.admin.go(world.one(world.ordinary()).name)
    world.admin.ask(f"KICK {world.one(world.users()).name}")


@kind("netconfig", "netconfig", 3)
def netconfig(world: World) -> None:
    world.admin.go(world.one(world.ordinary()).name)
    lines = [f"ignet_push_share|{world.one(('bravo', 'charlie'))}|{world.words(1, 2)}", "somefuturething|a|b|c"]
    world.admin.tell("SNET", world.chance.sample(lines, world.chance.randint(0, 2)))


@kind("floor made", FLOOR)
def floor_made(world: World) -> None:
    world.admin.ask(f"CFLR {world.unique('Étage')}|1")


@kind("floor renamed", FLOOR)
def floor_renamed(world: World) -> None:
    number, _, _ = world.one(world.floors())
    world.admin.ask(f"EFLR {number}|{world.unique('Floor')}")


@kind("floor killed", FLOOR)
def floor_killed(world: World) -> None:
    empty = [number for number, _, rooms in world.floors() if number and not rooms]
    world.admin.ask(f"KFLR {world.one(empty)}|1")


@kind("floor expiry", "floor expiry, banner")
def floor_expiry(world: World) -> None:
    world.admin.go(world.one(world.ordinary()).name)
    world.admin.ask(f"SPEX floor|3|{world.chance.randint(1000, 9000)}")
