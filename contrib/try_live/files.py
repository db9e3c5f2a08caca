"""Files in rooms: uploaded with and without a message, replaced, deleted, moved."""

from try_live.operations import kind
from try_live.places import Parameters
from try_live.world import SILENT_UPLOADS, Room, World

SILENT = "file deleted or replaced silently"
WRITE_BYTES = 4096
SIZES = (0, 1, 700, 5000, 70_000)
"""Bytes in files, the largest more than a record holds itself."""


def upload(world: World, room: Room, name: str, size: int) -> None:
    """Put a file into a room.  Raises Refused where it is there."""
    data = world.chance.randbytes(size)
    world.admin.go(room.name)
    world.admin.ask(f"UOPN {name}|application/octet-stream|{world.words(0, 4)}")
    for start in range(0, size, WRITE_BYTES):
        part = data[start : start + WRITE_BYTES]
        world.admin.ask(f"WRIT {len(part)}", data=part)
    world.admin.ask("UCLS 1")


def _silent(world: World, room: Room, silent: bool) -> None:
    """Have a room tell, or not tell, of what is uploaded."""
    parameters = Parameters(world, room)
    if bool(parameters.flags2 & SILENT_UPLOADS) != silent:
        parameters.flags2 ^= SILENT_UPLOADS
        parameters.write()


@kind("file uploaded", "file uploaded", 3)
def uploaded(world: World) -> None:
    room = world.one(world.directories())
    _silent(world, room, False)
    upload(world, room, world.unique("fílé") + ".bin", world.chance.choice(SIZES))


@kind("file uploaded silently", "file uploaded", 2)
def uploaded_silently(world: World) -> None:
    room = world.one(world.directories())
    _silent(world, room, True)
    upload(world, room, world.unique("silent") + ".bin", world.chance.choice(SIZES))


def _file(world: World) -> tuple[Room, str, int]:
    """Return a file: its room, name and size.  Raises NotNow."""
    held = [(room, name, size) for room in world.directories() for name, size in world.files(room)]
    return world.one(held)


@kind("file deleted", SILENT, 2)
def deleted(world: World) -> None:
    room, name, _ = _file(world)
    world.admin.go(room.name)
    world.admin.ask(f"DELF {name}")


@kind("file replaced by one of the same size", SILENT, 2)
def replaced(world: World) -> None:
    room, name, size = _file(world)
    _silent(world, room, True)
    world.admin.go(room.name)
    world.admin.ask(f"DELF {name}")
    upload(world, room, name, size)


@kind("file moved", SILENT)
def moved(world: World) -> None:
    room, name, _ = _file(world)
    target = world.one([other for other in world.directories() if other != room])
    world.admin.go(room.name)
    world.admin.ask(f"MOVF {name}|{target.name}")
