"""Scenarios in which the same thing is done on both servers at once."""

from collections.abc import Iterator

from try_live.pair import Side
from try_live.scenarios.deeds import (
    event,
    inbox_of,
    mail,
    make_room,
    make_user,
    pair_user,
    password_of,
    put,
    set_password,
    subjects,
    texts,
)
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require, require_equal, scenario
from try_live.world import CALENDAR, User


@scenario("mail-on-both", "mails that were delivered on both at once are in one mailbox, on both")
def mail_on_both(stage: Stage) -> None:
    user = "Mail Ann"
    make_user(stage.alpha, user)
    stage.settle()
    for side in stage.sides:
        mail(side, user, f"by {side.name}")
    stage.settle()
    for side in stage.sides:
        require_equal(_of_mails(subjects(side, inbox_of(side, user))), ["by alpha", "by beta"], f"mails on {side.name}")


def _of_mails(found: list[str]) -> list[str]:
    """Return subjects without that of the mail by which a server welcomes a user."""
    return [subject for subject in found if subject.startswith("by ")]


@scenario("two-mx", "one mail that came by two MX is one message, on both")
def two_mx(stage: Stage) -> None:
    user = "MX Ann"
    make_user(stage.alpha, user)
    stage.settle()
    for side in stage.sides:
        mail(side, user, "by two ways")
    stage.settle()
    for side in stage.sides:
        require_equal(_of_mails(subjects(side, inbox_of(side, user))), ["by two ways"], f"mails on {side.name}")


@scenario("item-edited", "an item that was edited on both has both edits, on both")
def item_edited(stage: Stage) -> None:
    room = "Edited Events"
    make_room(stage.alpha, room, CALENDAR)
    put(stage.alpha, room, "edited-1", _event("Tea", "Kitchen"))
    stage.settle()
    with stage.apart():
        put(stage.alpha, room, "edited-1", _event("Supper", "Kitchen"))
        put(stage.beta, room, "edited-1", _event("Tea", "Garden"))
    for side in stage.sides:
        (text,) = texts(side, room)
        for line in ("SUMMARY:Supper", "LOCATION:Garden"):
            require(line in text, f"the item on {side.name} has no {line}: {text!r}")


def _event(summary: str, location: str) -> list[str]:
    return event("edited-1", f"SUMMARY:{summary}", f"LOCATION:{location}")


@scenario("one-name", "one user name that was made on both is two users, each left alone, until 'attach pair' says so")
def one_name(stage: Stage) -> None:
    user = "Same Bob"
    with stage.apart():
        for side in stage.sides:
            make_user(side, user)
            set_password(side, user, f"of {side.name}")
            mail(side, user, f"by {side.name}")
    for side in stage.sides:
        require_equal(password_of(side, user), f"of {side.name}", f"the password on {side.name}")
        require_equal(_of_mails(subjects(side, inbox_of(side, user))), [f"by {side.name}"], f"mails on {side.name}")
        require(any(user in line for line in side.status().left_there), f"the node of {side.name} does not tell of it")
    pair_user(stage, user)
    for side in stage.sides:
        require_equal(_of_mails(subjects(side, inbox_of(side, user))), ["by alpha", "by beta"], f"mails on {side.name}")
        require_equal(password_of(side, user), "of alpha", f"the password on {side.name}")


@scenario("password-on-both", "of a password that was changed on both the later one is on both, the other one is kept")
def password_on_both(stage: Stage) -> None:
    user = "Password Ann"
    make_user(stage.alpha, user)
    stage.settle()
    with stage.apart():
        for side in stage.sides:
            set_password(side, user, f"by {side.name}")
    (password,) = {password_of(side, user) for side in stage.sides}
    (other,) = {f"by {side.name}" for side in stage.sides} - {password}
    for side in stage.sides:
        with side.world.as_user(User(user, 0, 0)) as session:
            session.ask("NOOP")
    lost = {line for side in stage.sides for line in _lost(side)}
    require(f"lost {other!r}, kept {password!r}" in lost, f"{other!r} is not in the conflict log: {lost}")


def _lost(side: Side) -> Iterator[str]:
    """Yield what a node's conflict log tells of fields: what was lost, and what was kept."""
    for one in side.node.json("conflicts", "list"):
        shown = side.node.run("conflicts", "show", str(one["number"])).stdout
        yield from (line.partition(": ")[2] for line in shown.splitlines())
