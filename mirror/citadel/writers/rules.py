"""Has users' inbox rules be in force on one server, the user's home: they file, forward and answer what comes in.

Another server that has the same rules has them taken out, and so has one that is the home no more.  They are put in
force where an administrator said so, just those that were told then: what is changed of them elsewhere is not.  A
server lets nobody but the user change them; of what was in the inbox before it takes nothing for new.
"""

from collections.abc import Callable, Sequence

from mirror.citadel.meaning.homes import (
    HOMES,
    INBOX_RULES,
    Home,
    Word,
    give_up,
    home_key,
    keep_word,
    read_home,
    read_word,
    settle,
    thing_of,
    why_not_yet,
)
from mirror.citadel.meaning.keys import OWNER_DIGITS, USERS
from mirror.citadel.writers.as_user import do_as_user
from mirror.citadel.writers.base import Target, User, said_yes
from mirror.formats.inbox_rules import rule_lines, rules_in
from mirror.model.record import Record
from mirror.store.base import Reader
from mirror.wire.errors import Refused

RULES = "inbox rules"
_CONFIGURATION = "My Citadel Config"
_SUBJECT = b"inbox rules configuration"
"""The subject of the message in a user's configuration room that holds inbox rules."""


class RulesWriter:
    """Puts inbox rules in force and takes them out, by users."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: name in (INBOX_RULES, HOMES)

    def takes(self, record: Record) -> bool:
        return record.collection == INBOX_RULES or record.key.startswith(home_key(USERS, ""))

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        keys = dict.fromkeys(thing_of(one.key)[1] if one.collection == HOMES else one.key for one in records)
        due = [key for key in keys if _is_due(target, key)]
        users = target.users() if due else {}
        for key in due:
            record = target.store.read(lambda reader, user=key: reader.get(INBOX_RULES, user))  # type: ignore[misc]
            if key in users and record is not None:
                target.tried.append(record)
                _write(target, record, key, users[key])
        return bool(due)


def rules_there(target: Target, user: int) -> list[str]:
    """Return the inbox rules that a user, by number, has now."""
    configuration = f"GOTO {user:0{OWNER_DIGITS}d}.{_CONFIGURATION}||1".encode()
    entered, listed = target.client.ask_all([configuration, b"MSGS ALL|0|0|1"])
    if not said_yes(entered):
        return []
    numbers = [line.partition(b"|")[0] for line in listed if line.rpartition(b"|")[2] == _SUBJECT]
    told = target.client.ask_all([b"MSG2 %s|0" % number for number in numbers])
    return [rule for lines in told for rule in rules_in([line.decode("utf-8", "surrogateescape") for line in lines])]


def _is_due(target: Target, user: str) -> bool:
    """Tell whether the server may have rules to give up, or to be given; the only ones make it the home."""
    place = target.place
    home, word, rules, said = target.store.read(lambda reader: _state(reader, place, user))
    if home is None and said and rules:
        target.store.write(lambda writer: settle(writer, USERS, user, place))
    if home is None or home.place == place:
        return home is not None and word is not None
    return said or (home.last == place and not home.given_up)


def _state(reader: Reader, place: str, user: str) -> tuple[Home | None, Word | None, list[str], bool]:
    """Return where a user's rules are in force, what is to be, the rules here, and whether the server said any."""
    record = reader.get(INBOX_RULES, user)
    rules = rule_lines(reader.body(record)) if record is not None and not record.dead else []
    said = bool(list(reader.statuses(place, INBOX_RULES, [user])))
    return read_home(reader, USERS, user), read_word(reader, place, USERS, user), rules, said


def _write(target: Target, record: Record, key: str, user: User) -> None:
    """Give the server rules that are to be in force, or take those out that are in force elsewhere."""
    place, where = target.place, f"{RULES} of {user.name}"
    home, word, held, _ = target.store.read(lambda reader: _state(reader, place, key))
    if home is None:
        return
    there = rules_there(target, user.number)
    if home.place != place:
        if not set(there) <= set(held):
            target.leave(record, where, "others than at home are in force there, too")
        elif not there or _put(target, record, key, user, []):
            target.store.write(lambda writer: give_up(writer, USERS, key, place))
    elif word is not None and (why := why_not_yet(home, word)):
        target.leave(record, where, why)
    elif word is not None and (sorted(there) == sorted(word.lines) or _put(target, record, key, user, word.lines)):
        target.store.write(lambda writer: keep_word(writer, place, USERS, key))


def _put(target: Target, record: Record, key: str, user: User, lines: Sequence[str]) -> bool:
    try:
        if not do_as_user(target, record, RULES, user.name, key, lambda client: client.write_rules(lines)):
            return False
    except Refused as error:
        target.leave(record, f"{RULES} of {user.name}", str(error))
        return False
    target.written.others += 1
    return True
