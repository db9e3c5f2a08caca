"""The server's own settings, system configurations, policies and banners."""

import shutil

from try_live.operations import kind
from try_live.world import World

ROW = "setting, site expiry / system configuration"
SETTINGS = ("c_humannode", "c_site_location", "c_moreprompt", "my_own_key")
BANNERS = ("hello", "goodbye", "newuser", "try-live")
"""Names of system messages, one of them a server's own."""


@kind("setting", ROW, 3)
def setting(world: World) -> None:
    world.admin.ask(f"CONF PUTVAL|{world.one(SETTINGS)}|{world.words(1, 5)}")


@kind("site expiry", ROW)
def site_expiry(world: World) -> None:
    which = world.one(("site", "mailboxes"))
    world.admin.ask(f"SPEX {which}|3|{world.chance.randint(1000, 9000)}")


@kind("system configuration", ROW, 2)
def system_configuration(world: World) -> None:
    which, line = world.one((
        ("application/x-citadel-internet-config", f"{world.unique('host').replace(' ', '')}.example.org|localhost"),
        ("application/x-citadel-ignet-config", f"{world.unique('node').replace(' ', '')}|s3cret|127.0.0.1|504"),
    ))  # fmt: skip
    world.admin.tell(f"CONF PUTSYS|{which}", [line])


@kind("banner", "floor expiry, banner", 2)
def banner(world: World) -> None:
    """Write the file itself: EMSG of version 980 writes where it likes."""
    path = world.server.home / "messages" / world.one(BANNERS)
    path.write_text("\n".join([*world.lines(1, 4), "This is ^humannode."]) + "\n")
    shutil.copymode(world.server.home / "messages" / "hello", path)
