"""Scenarios of what acts on what comes in: a mailing list, and a user's inbox rules."""

from try_live.errors import Refused
from try_live.pair import Side
from try_live.scenarios.deeds import (
    inbox_of,
    mail,
    mail_to_room,
    make_list,
    make_room,
    make_user,
    move_lines,
    number_of,
    post,
    require_on_both,
    rule,
    set_lines,
    set_rules,
    subjects,
)
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require, require_equal, scenario
from try_live.world import User

MEMBERS = ("member@list.example.net", "other@list.example.net")
PARTICIPANT = "participant@list.example.net"
FORWARDED = "ann@forwarded.example.net"
FOLDER = "Filed"


@scenario("list-room", "what is posted on either server is mailed to each member of a list once, and nothing of before")
def list_room(stage: Stage) -> None:
    room, mailing = "List", stage.mailing
    make_room(stage.alpha, room)
    post(stage.alpha, room, mailing.next_word())
    make_list(stage.alpha, room, *(f"listrecp|{one}" for one in MEMBERS))
    stage.settle()
    for side in stage.sides:
        word = mailing.next_word()
        post(side, room, word)
        mailing.expect(word, *MEMBERS)
    stage.settle()
    for side in stage.sides:
        side.restart()  # a list mails what it has to when its server starts, else each quarter of an hour
    mailing.wait()
    require_equal(mailing.wrongly(), [], "what was mailed otherwise")


@scenario("list-answered", "what a member mails to a list is mailed to each once by its home, and refused elsewhere")
def list_answered(stage: Stage) -> None:
    room, mailing = "Answered", stage.mailing
    alpha, beta = stage.sides
    make_room(alpha, room)
    make_list(alpha, room, *(f"listrecp|{one}" for one in MEMBERS))
    stage.settle()
    word = mailing.next_word()
    mail_to_room(alpha, room, word, MEMBERS[0])
    mailing.expect(word, *MEMBERS)
    for side, sender in ((beta, MEMBERS[0]), (alpha, FORWARDED), (beta, FORWARDED)):
        require(_is_refused(side, room, sender), f"{side.name} takes what {sender} mails to {room}")
    stage.settle()
    alpha.restart()
    mailing.wait()
    require_on_both(stage, room, [word])
    require_equal(mailing.wrongly(), [], "what was mailed otherwise")


def _is_refused(side: Side, room: str, sender: str) -> bool:
    try:
        mail_to_room(side, room, "not from a member", sender)
    except Refused as error:
        return "not from a list member" in str(error)
    return False


@scenario("digest", "whoever is to get a digest is mailed each post once, participants are mailed nothing")
def digest(stage: Stage) -> None:
    """As version 980 does: it takes 'digestrecp' for 'listrecp', and does nothing for 'participate'."""
    room, mailing = "Digested", stage.mailing
    make_room(stage.alpha, room)
    post(stage.alpha, room, mailing.next_word())
    lines = [f"listrecp|{MEMBERS[0]}", f"digestrecp|{MEMBERS[1]}", f"participate|{PARTICIPANT}"]
    make_list(stage.alpha, room, *lines)
    stage.settle()
    for side in stage.sides:
        word = mailing.next_word()
        post(side, room, word)
        mailing.expect(word, *MEMBERS)
    stage.settle()
    for side in stage.sides:
        side.restart()
    mailing.wait()
    require_equal(mailing.wrongly(), [], "what was mailed otherwise")


@scenario("participants", "what is posted in a room with nothing but participants is on both, and mailed to nobody")
def participants(stage: Stage) -> None:
    room, mailing = "Participants", stage.mailing
    make_room(stage.alpha, room)
    post(stage.alpha, room, "of alpha")
    set_lines(stage.alpha, room, f"participate|{PARTICIPANT}")
    stage.settle()
    with stage.apart():
        post(stage.beta, room, "of beta")
    post(stage.beta, room, "of beta, too")
    move_lines(stage, room, stage.beta)
    for side in stage.sides:
        side.restart()
    mailing.wait()
    require_on_both(stage, room, ["of alpha", "of beta", "of beta, too"])
    require_equal(mailing.wrongly(), [], "what was mailed otherwise")


@scenario("inbox-rules", "a user's rules file and forward what comes in at home once, and leave what came in elsewhere")
def inbox_rules(stage: Stage) -> None:
    user, mailing = "Rules Ann", stage.mailing
    alpha, beta = stage.sides
    make_user(alpha, user)
    with alpha.world.as_user(User(user, 0, 0)) as session:
        session.ask(f"CRE8 1|{FOLDER}|4||0|0|1")
    set_rules(alpha, user, rule(f"fileinto|{FOLDER}|", "file"), rule(f"redirect||{FORWARDED}", "forward"))
    stage.settle()
    word = mailing.next_word()
    mailing.expect_forwarded(word, FORWARDED)
    mail(alpha, user, "file at home")
    mail(alpha, user, f"forward {word}")
    for subject in ("file elsewhere", "forward elsewhere"):
        mail(beta, user, subject)
    stage.until(lambda: _filed(alpha, user) == ["file at home"], "alpha files nothing")
    mailing.wait()
    stage.settle()
    for side in stage.sides:
        require_equal(_filed(side, user), ["file at home"], f"what is filed on {side.name}")
        inbox = [one for one in subjects(side, inbox_of(side, user)) if one.endswith("elsewhere")]
        require_equal(inbox, ["file elsewhere", "forward elsewhere"], f"the inbox on {side.name}")
    require_equal(mailing.wrongly(), [], "what was mailed otherwise")


def _filed(side: Side, user: str) -> list[str]:
    return subjects(side, f"{number_of(side, user):010d}.{FOLDER}")
