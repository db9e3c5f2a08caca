"""Writes users: made, renamed, deleted; their passwords, levels, flags, addresses.

A server keeps of a name what is ASCII, of a password 31 bytes, of addresses those of its own domains; an address of a
domain of which none is told here stays.  Of the last calls of a user the latest is written; making one is none.  A
number is kept where the server never had a higher one, else the next one is taken.  Nobody's account is ever taken
over: where the name is taken the user is not written.  The account as whom this is done is left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from mirror.citadel.meaning.damaged import read_reply
from mirror.citadel.meaning.keys import OF_SERVER_ITSELF, USERS, Pair
from mirror.citadel.meaning.pairing import kept_name, reduced
from mirror.citadel.meaning.purge import would_go
from mirror.citadel.migr.put_together import user_fields
from mirror.citadel.protocol.answers import ToldUser, read_account
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.aide import quietly
from mirror.citadel.writers.base import Target, said_yes, server_says, taken_by
from mirror.citadel.writers.calls import Account, account_command, as_nobody_called, forget_call, time_of
from mirror.citadel.writers.counters import next_number
from mirror.citadel.writers.fields import Keeps, Values, as_it_is, held_values, status_of, to_write
from mirror.formats.numbers import number_or_zero
from mirror.formats.server_own import MOMENTARY
from mirror.model.record import Record
from mirror.model.status import Status

_PASSWORD_BYTES = 31
_COUNTER = "MMnextuser"
NAME, PASSWORD, FLAGS, LEVEL, LAST_CALL, PURGE, ADDRESSES = (
    "u_fullname", "u_password", "u_flags", "u_axlevel", "u_lastcall", "u_USuserpurge", "u_emailaddrs",
)  # fmt: skip
_ACCOUNT = (PASSWORD, FLAGS, LEVEL, PURGE, LAST_CALL)
_RISING = frozenset({LAST_CALL})


def _kept_password(value: str) -> str:
    return value.replace("|", "").encode()[:_PASSWORD_BYTES].decode("utf-8", "ignore")


KEEPS: Keeps = {
    NAME: lambda value: kept_name(USERS, value),
    PASSWORD: _kept_password,
    FLAGS: as_it_is,
    LEVEL: as_it_is,
    PURGE: as_it_is,
    ADDRESSES: as_it_is,
}
_BUT_NAME: Keeps = {name: keep for name, keep in KEEPS.items() if name != NAME}


class UsersWriter:
    """Writes users, by their numbers there."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: name == USERS

    def takes(self, record: Record) -> bool:
        return not record.key.endswith(OF_SERVER_ITSELF)

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        known = target.told_last(USERS, records)
        living = [one for one in records if not one.dead]
        dead = [one for one in records if one.dead and target.numbers.of(USERS, one.key)]
        if not (living or dead):
            return False
        with quietly(target.client) as quiet:
            there = target.names_of_users()
            self._delete(target, dead, there, quiet.names)
            making = [one for one in living if not _number(target, one, there)]
            made = self._make(target, self._gone_before(target, making, known), there, quiet.names)
            changing = [one for one in living if _number(target, one, there)]
            renamed = self._rename(target, changing, known, there, quiet.names)
            for record in changing:
                number = _number(target, record, there)
                written = set(KEEPS) if number in made else {NAME} if number in renamed else set()
                self._change(target, record, known.get(record.key), there[number], written)
        return True

    # -- made and deleted -------------------------------------------------------------------------

    def _gone_before(self, target: Target, records: Sequence[Record], known: Mapping[str, Status]) -> list[Record]:
        """Return who was not there at the last look either: who was deleted since stays so, as the next look tells."""
        deleted = [one for one in records if one.key in known and target.numbers.of(USERS, one.key)]
        for record in deleted:
            target.wait(record, f"user {held_values(record).get(NAME)}", "the account was deleted there just now")
        return [record for record in records if record not in deleted]

    def _make(self, target: Target, records: Sequence[Record], there: dict[int, str], names: list[bytes]) -> set[int]:
        """Make users who are not there, and have their rooms be filled; returns their numbers."""
        made = set()
        settings = target.client.settings() if records else {}
        for record in records:
            number = self._make_one(target, record, there, names, settings)
            if number is not None:
                made.add(number)
                target.written.others += 1
        return made

    def _make_one(
        self,
        target: Target,
        record: Record,
        there: dict[int, str],
        names: list[bytes],
        settings: Mapping[str, str],
    ) -> int | None:
        """Make a user of a server of these settings; returns the number, None where the user cannot be made."""
        held = held_values(record)
        name = KEEPS[NAME](held.get(NAME, ""))
        if not name or not number_or_zero(held.get(LEVEL, "")):
            return None
        taken = _named(there, name)
        if taken:  # nobody's account is taken over
            target.leave(record, f"user {held[NAME]}", taken_by(USERS, taken, record.key))
            return None
        reply = read_reply(_asking(target.client, name).account)
        if not (reply.sound or reply.deleted):
            target.leave(
                record, f"user {name}", "a damaged account has that name there: delete it on that server first"
            )
            return None
        if target.numbers.of(USERS, record.key) is not None:
            target.leave_rooms(record.key)
        own = number_or_zero(held.get("u_usernum", ""))
        number, commands = next_number(target.client, _COUNTER, own)
        names.append(f"<{name}>".encode())
        making = f"CREU {name}|{_kept_password(held.get(PASSWORD, ''))}"

        def make() -> int | None:
            *_, answer = target.client.ask_all([*commands, making.encode()])
            there.update(target.names_of_users())
            given = _named(there, name) if said_yes(answer) else 0
            if not given:
                target.leave(record, f"user {name}", server_says(answer))
            return given or None

        with _made_without_a_call(target, name, held, settings):
            given = target.make(Pair(USERS, number, record.key, own), make)
            if given is None:
                forget_call(target.store, target.place)  # whoever has that name now was made by somebody else
        return given

    def _delete(self, target: Target, dead: Sequence[Record], there: dict[int, str], names: list[bytes]) -> None:
        going = [record for record in dead if _number(target, record, there)]
        for record in target.not_held(going):
            number = _number(target, record, there)
            name = there[number]
            if name == target.service:
                continue
            names.append(name.encode())
            now = _ask(target.client, name)
            if now and said_yes(*target.client.ask_all([_account_command(name, {**now, LEVEL: "0"})])):
                del there[number]
                target.written.deleted += 1

    # -- changed ----------------------------------------------------------------------------------

    def _rename(
        self,
        target: Target,
        records: Sequence[Record],
        known: Mapping[str, Status],
        there: dict[int, str],
        names: list[bytes],
    ) -> set[int]:
        """Give users their names; where one has the name that another gives up, in whichever order that works.

        Returns the numbers of those whose names were written.
        """
        todo: dict[int, str] = {}
        of: dict[int, Record] = {}
        renamed: set[int] = set()
        for record in records:
            number = _number(target, record, there)
            status = known.get(record.key)
            said = status.said if status is not None else {}
            wanted = to_write(held_values(record), said, {NAME: there[number]}, {NAME: KEEPS[NAME]}).get(NAME)
            if wanted and there[number] != target.service:
                todo[number], of[number] = wanted, record
        while todo:
            free = [number for number, name in todo.items() if _named(there, name) in (0, number)]
            for number in free:
                why_not = _give_name(target, there, names, number, todo.pop(number))
                if why_not:
                    target.leave(of[number], f"user {there[number]}", why_not)
                else:
                    renamed.add(number)
            if free:
                continue
            number, name = next(iter(todo.items()))
            holder = _named(there, name)
            if holder not in todo:
                del todo[number]
                target.leave(of[number], f"user {there[number]}", taken_by(USERS, holder, of[number].key))
            elif why_not := _give_way(target, there, names, holder):
                del todo[holder]
                target.leave(of[holder], f"user {there[holder]}", why_not)
        return renamed

    def _change(self, target: Target, record: Record, status: Status | None, name: str, written: set[str]) -> None:
        """Write all but the name, which was written before; what somebody changes meanwhile is not written over."""
        if name == target.service:
            return
        held, said = held_values(record), status.said if status is not None else {}
        now = _ask(target.client, name)
        if not now:
            return
        wanted = to_write(held, said, now, _BUT_NAME)
        if wanted.get(LEVEL) == "0":
            del wanted[LEVEL]  # by which the server would delete the user
        if number_or_zero(held.get(LAST_CALL, "")) > number_or_zero(now[LAST_CALL]):
            wanted[LAST_CALL] = held[LAST_CALL]
        addresses = _addresses(held.get(ADDRESSES, ""), now[ADDRESSES])
        if ADDRESSES in wanted and addresses != set(now[ADDRESSES].split("|")):
            _write_addresses(target.client, name, addresses)
        account = {key: value for key, value in wanted.items() if key in _ACCOUNT}
        if account:
            _change_account(target.client, name, now, account)
        told = status_of(record, status, _ask(target.client, name) if wanted else now, written | wanted.keys(), _RISING)
        target.remember([told] if told != status else [])
        target.written.others += bool(account)


def _made_without_a_call(
    target: Target, name: str, held: Values, settings: Mapping[str, str]
) -> AbstractContextManager[None]:
    """Have who is made have called when that was last elsewhere, also where a node dies meanwhile.

    Of whom the server would throw away for it, the making counts as a call.
    """
    call = held.get(LAST_CALL, "")
    idle_s = time_of(target.client) - number_or_zero(call)
    if not number_or_zero(call) or idle_s <= 0 or would_go(settings, number_or_zero(held.get(PURGE, "")), idle_s):
        return nullcontext()
    return as_nobody_called(target.store, target.client, target.place, Account.of(name, call))


def _number(target: Target, record: Record, there: Mapping[int, str]) -> int:
    """Return the number of a user who is there, else 0."""
    number = target.numbers.of(USERS, record.key) or 0
    return number if number in there else 0


def _named(there: Mapping[int, str], name: str) -> int:
    """Return who has a name there, as a server compares names; 0 where nobody does."""
    wanted = reduced(USERS, name)
    return next((number for number, one in there.items() if reduced(USERS, one) == wanted), 0)


def _give_name(target: Target, there: dict[int, str], names: list[bytes], number: int, name: str) -> str:
    """Give a user a name; returns why that cannot be, nothing where it is done.

    A server refuses a name that it takes for the one that its user has, as in other case: that one is given up first.
    """
    is_same = reduced(USERS, there[number]) == reduced(USERS, name)
    why_not = _give_way(target, there, names, number) if is_same else ""
    if why_not:
        return why_not
    why_not = _give(target, there, names, number, name)
    target.written.others += not why_not
    return why_not


def _give_way(target: Target, there: dict[int, str], names: list[bytes], number: int) -> str:
    """Have a user give up the name, for a moment; returns as ``_give_name`` does."""
    return _give(target, there, names, number, f"{MOMENTARY}{number}")


def _give(target: Target, there: dict[int, str], names: list[bytes], number: int, name: str) -> str:
    names += [there[number].encode(), name.encode()]
    (answer,) = target.client.ask_all([f"RENU {there[number]}|{name}".encode()])
    if not said_yes(answer):
        return f"it cannot be renamed {name!r}: {server_says(answer)}"
    there[number] = name
    return ""


def _ask(client: CitadelClient, name: str) -> Values:
    """Return what the server says of a user, as an export names it; nothing where there is none."""
    return _account(_asking(client, name))


def _asking(client: CitadelClient, name: str) -> ToldUser:
    data = name.encode("utf-8", "surrogateescape")
    return read_account(*client.ask_all([b"AGUP %s" % data, b"AGEA %s" % data]))


def _account(told: ToldUser) -> Values:
    if not read_reply(told.account).sound:
        return {}
    return {key.decode(): value.decode("utf-8", "surrogateescape") for key, value in user_fields(told).items()}


def _account_command(name: str, values: Mapping[str, str]) -> bytes:
    return account_command(name, *(values[one] for one in (PASSWORD, FLAGS, LEVEL, LAST_CALL, PURGE)))


def _change_account(client: CitadelClient, name: str, now: Values, wanted: Values) -> None:
    """Write an account in one go with a look at it: the command writes all of it, passwords and last call too.

    What somebody else wrote after ``now`` is put back.
    """
    data = name.encode("utf-8", "surrogateescape")
    before, _ = client.ask_all([b"AGUP %s" % data, _account_command(name, {**now, **wanted})])
    found = _account(ToldUser(before[0] if before else b"", []))
    moved = {key: found[key] for key in _ACCOUNT if found and found[key] != now[key]}
    if moved:
        client.ask_all([_account_command(name, {**found, **wanted, **moved})])


def _addresses(held: str, now: str) -> set[str]:
    """Return the addresses that a user is to have: those here, and there those of domains of which none is here."""
    here, there = ({*filter(None, value.split("|"))} for value in (held, now))
    domains = {one.partition("@")[2].lower() for one in here}
    return here | {one for one in there if one.partition("@")[2].lower() not in domains}


def _write_addresses(client: CitadelClient, name: str, addresses: set[str]) -> None:
    client.channel.ask(f"ASEA {name}", 4)
    client.channel.send("".join(f"{one}\n" for one in sorted(addresses)).encode() + b"000\n")
    client.ask_all([b"NOOP"])
