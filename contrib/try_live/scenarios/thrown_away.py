"""Scenarios of what a server throws away by itself, and of what one lost that was restored."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from try_live.imap import literal
from try_live.pair import Side
from try_live.scenarios.deeds import (
    delete,
    delete_user,
    inbox_of,
    kill_room,
    last_call_of,
    make_account,
    make_room,
    make_user,
    move,
    password_of,
    post,
    require_on_both,
    room_names,
    set_password,
    user_names,
)
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require, require_equal, scenario
from try_live.world import User

FINISHED = "Auto-purger: finished"
"""What a server logs once it has thrown away what is old."""
PURGE_HOUR = "3"
"""When servers do that else."""
DAY_S = 86_400


@scenario("restored", "a server that was restored from last night has what came and lacks what was deleted since")
def restored(stage: Stage) -> str:
    alpha, beta = stage.sides
    room, doomed, user, gone = "Restored", "Restored Doomed", "Restored Ann", "Restored Bob"
    for name in (room, doomed):
        make_room(alpha, name)
    for name in (user, gone):
        make_user(alpha, name)
    post(alpha, room, "post 0", "post 1", "post 2")
    stage.settle()
    beta.world.back_up(last_night := stage.directory / "last-night")
    stage.settle()
    post(alpha, room, "late")
    delete(alpha, room, "post 0")
    set_password(alpha, user, "new")
    delete_user(alpha, gone)
    kill_room(alpha, doomed)
    post(beta, room, "late, too")
    stage.settle()
    began = time.monotonic()
    beta.world.restore(last_night)
    stage.until(lambda: bool(beta.status().another), "the node of beta takes it for what it was")
    stage.settle()
    seconds = time.monotonic() - began
    beta.restart()  # it does no housekeeping after an export
    require_on_both(stage, room, ["late", "late, too", "post 1", "post 2"])
    for side in stage.sides:
        require_equal(password_of(side, user), "new", f"the password on {side.name}")
        require(gone not in user_names(side), f"{gone} is on {side.name} again")
        require(doomed not in room_names(side), f"{doomed} is on {side.name} again")
    return f"equal after {seconds:.0f} s"


@scenario("expiry", "what one server threw away by number and by age is gone from both, and nothing else")
def expiry(stage: Stage) -> None:
    alpha = stage.alpha
    by_number, by_age, user = "Expires by number", "Expires by age", "Expiry Ann"
    for room, policy in ((by_number, "2|3"), (by_age, "3|300")):
        make_room(alpha, room)
        alpha.world.admin.go(room)
        alpha.world.admin.ask(f"SPEX room|{policy}")
    make_user(alpha, user)
    post(alpha, by_number, *(f"post {number}" for number in range(6)))
    post(alpha, by_age, "new")
    _put_old(alpha, user, "old")
    move(alpha, inbox_of(alpha, user), "old", by_age)
    stage.settle()
    with _purged(stage, alpha):
        stage.settle()
    require_on_both(stage, by_number, ["post 3", "post 4", "post 5"])
    require_on_both(stage, by_age, ["new"])


def _put_old(side: Side, user: str, subject: str) -> None:
    """Put a mail of some years ago into a user's inbox."""
    lines = [
        *(f"From: {user} <somebody@example.net>", f"Subject: {subject}", "Date: Fri, 05 Jan 2024 12:00:00 +0000"),
        *(f"Message-ID: <{subject}-of-2024@example.net>", "", "This is old.", ""),
    ]
    side.world.by_imap(User(user, 0, 0), b"APPEND INBOX " + literal("\r\n".join(lines).encode()))


@scenario("purge", "who did not log in for long is purged from both; who did so on the other server stays on both")
def purge(stage: Stage) -> None:
    alpha, beta = stage.sides
    old, away = "Purged Ann", "Purged Bob"
    alpha.world.admin.ask("CONF PUTVAL|c_userpurge|120")
    long_ago = int(time.time()) - 400 * DAY_S
    for user in (old, away):
        make_account(alpha, user, long_ago, 300)
    stage.settle()
    for side in stage.sides:
        require_equal(last_call_of(side, old), long_ago, f"when {old} called last on {side.name}")
    with beta.world.as_user(User(away, 0, 0)) as session:
        session.ask("NOOP")
    stage.settle()
    with _purged(stage, alpha):
        require(old not in user_names(alpha), "alpha purged nobody")
        stage.settle()
    for side in stage.sides:
        require_equal(user_names(side) & {old, away}, {away}, f"users on {side.name}")
        require(bool(room_names(side) & {inbox_of(side, away)}), f"{away} has no mailbox on {side.name}")


@contextmanager
def _purged(stage: Stage, side: Side) -> Iterator[None]:
    """Have a server throw away what is old; it is its hour for that meanwhile, as who follows it has to know."""
    _purge(stage, side)
    yield
    _set_hour(side, PURGE_HOUR)


def _purge(stage: Stage, side: Side) -> None:
    """Have a server throw away what is old, as it does in this hour once it was started in it."""
    before = _finished(side)
    _set_hour(side, str(time.localtime().tm_hour))
    side.restart()
    stage.until(lambda: _finished(side) > before, f"{side.name} throws nothing away")


def _finished(side: Side) -> int:
    return (side.server.home / "log").read_text("utf-8", "replace").count(FINISHED)


def _set_hour(side: Side, hour: str) -> None:
    side.world.admin.ask(f"CONF PUTVAL|c_purge_hour|{hour}")
