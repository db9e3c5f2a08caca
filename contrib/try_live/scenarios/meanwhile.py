"""Scenarios in which something is done on one server while something else is done with it on the other."""

from try_live.scenarios.deeds import (
    delete,
    kill_room,
    make_room,
    make_user,
    move,
    password_of,
    post,
    rename_room,
    require_on_both,
    room_names,
    set_password,
    subjects,
)
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require, require_equal, scenario


@scenario("moved-deleted", "what was moved on one while it was deleted on the other is moved, on both")
def moved_deleted(stage: Stage) -> None:
    here, there = "Moved from", "Moved to"
    for room in (here, there):
        make_room(stage.alpha, room)
    post(stage.alpha, here, "wanted")
    stage.settle()
    with stage.apart():
        move(stage.alpha, here, "wanted", there)
        delete(stage.beta, here, "wanted")
    for side in stage.sides:
        require_equal((subjects(side, here), subjects(side, there)), ([], ["wanted"]), f"the two rooms on {side.name}")


@scenario("renamed-posted", "a room that was renamed on one while it was posted to on the other has name and post")
def renamed_posted(stage: Stage) -> None:
    old, new = "Talk", "Conversation"
    make_room(stage.alpha, old)
    stage.settle()
    with stage.apart():
        rename_room(stage.alpha, old, new)
        post(stage.beta, old, "to the old name")
    for side in stage.sides:
        require(old not in room_names(side), f"{old} is still on {side.name}")
        require_equal(subjects(side, new), ["to the old name"], f"{new} on {side.name}")


@scenario("names-swapped", "rooms and users that swapped their names on one are swapped on both")
def names_swapped(stage: Stage) -> None:
    rooms, users, between = ("Left", "Right"), ("Swap Ann", "Swap Bob"), "Swap between"
    for room in rooms:
        make_room(stage.alpha, room)
    for user in users:
        make_user(stage.alpha, user)
        set_password(stage.alpha, user, f"was {user}")
    stage.settle()
    with stage.apart():
        post(stage.alpha, "Left", "was Left")
        post(stage.beta, "Right", "was Right")
        for old, new in ((rooms[0], between), (rooms[1], rooms[0]), (between, rooms[1])):
            rename_room(stage.alpha, old, new)
        for old, new in ((users[0], between), (users[1], users[0]), (between, users[1])):
            stage.alpha.world.admin.ask(f"RENU {old}|{new}")
    for side in stage.sides:
        for name, other in zip(rooms, reversed(rooms), strict=True):
            require_equal(subjects(side, name), [f"was {other}"], f"{name} on {side.name}")
        for name, other in zip(users, reversed(users), strict=True):
            require_equal(password_of(side, name), f"was {other}", f"the password of {name} on {side.name}")


@scenario("killed-remade", "a room that was killed on one and made anew is the new one on both")
def killed_remade(stage: Stage) -> None:
    room = "Remade"
    make_room(stage.alpha, room)
    post(stage.alpha, room, "old")
    stage.settle()
    with stage.apart():
        kill_room(stage.alpha, room)
        make_room(stage.alpha, room)
        post(stage.alpha, room, "new")
        post(stage.beta, room, "late")
    require_on_both(stage, room, ["new"])
