"""Users: made, deleted, renamed, their accounts, addresses, texts, pictures and rules."""

import base64

from try_live.errors import NotNow
from try_live.operations import kind
from try_live.session import Session
from try_live.world import Account, User, World

MADE, ACCOUNT, ABOUT = (
    "user made, deleted, renamed, level",
    "password, flags, purge by ASUP or SETP; addresses",
    "bio, user picture",
)
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
)
PICTURES = [base64.b64decode(text) for text in _PNG]
USER_FLAGS = (0, 2, 16, 32, 64, 1024, 4096, 8192, 16384)
LEVELS = (1, 2, 3, 4, 5)


@kind("user made", MADE, 3)
def user_made(world: World) -> None:
    name = world.unique("Person")
    world.admin.ask(f"CREU {name}|pw {name}")
    account = world.account(User(name, 0, 0))
    world.set_account(account._replace(level=world.chance.choice((3, 4, 4, 5))))
    if world.chance.random() < 0.7:
        with world.as_user(User(name, 0, 0)) as session:
            session.ask("NOOP")


@kind("user deleted", MADE, 2)
def user_deleted(world: World) -> None:
    users = world.users()
    if len(users) < 4:
        raise NotNow
    world.set_account(world.account(world.one(users))._replace(level=0))


@kind("user renamed", MADE, 2)
def user_renamed(world: World) -> None:
    world.admin.ask(f"RENU {world.one(world.users()).name}|{world.unique('Renamed')}")


@kind("user level", MADE, 2)
def user_level(world: World) -> None:
    account = _account(world)
    world.set_account(account._replace(level=world.one([level for level in LEVELS if level != account.level])))


def _account(world: World) -> Account:
    return world.account(world.one(world.users()))


@kind("password", ACCOUNT, 2)
def password(world: World) -> None:
    world.set_account(_account(world)._replace(password=world.unique("pässword")))


@kind("password by the user", ACCOUNT)
def password_by_user(world: World) -> None:
    with world.as_user(world.one(world.writers())) as session:
        session.ask(f"SETP {world.unique('own password')}")


@kind("user flags", ACCOUNT, 2)
def user_flags(world: World) -> None:
    account = _account(world)
    world.set_account(account._replace(flags=account.flags ^ world.chance.choice(USER_FLAGS[1:])))


@kind("days until purge", ACCOUNT)
def purge(world: World) -> None:
    world.set_account(_account(world)._replace(purge=world.chance.randint(1, 400)))


@kind("addresses", ACCOUNT, 2)
def addresses(world: World) -> None:
    user = world.one(world.users())
    names = [world.unique("address").replace(" ", "") for _ in range(world.chance.randint(0, 3))]
    domain = world.witness.ask("CONF GETVAL|c_fqdn").fields[0]
    world.admin.tell(f"ASEA {user.name}", [f"{name}@{domain}" for name in names])


@kind("bio", ABOUT, 2)
def bio(world: World) -> None:
    with world.as_user(world.one(world.writers())) as session:
        session.tell("EBIO", world.lines(1, 4))


@kind("user picture", ABOUT, 2)
def user_picture(world: World) -> None:
    picture = world.one(PICTURES)
    world.admin.ask(f"ULUI {len(picture)}|image/png|{world.one(world.users()).name}", data=picture)


@kind("inbox rules", ABOUT, 2)
def inbox_rules(world: World) -> None:
    with world.as_user(world.one(world.writers())) as session:
        session.tell("PIBR", [_rule(world, index, session) for index in range(world.chance.randint(1, 3))])


def _rule(world: World, index: int, session: Session) -> str:
    """Return a rule that keeps what it matches: mail must not wander while two copies are being compared."""
    session.ask("NOOP")
    return f"rule|{index}|subject|contains|{world.unique('rule')}|larger|0|keep||||stop"
