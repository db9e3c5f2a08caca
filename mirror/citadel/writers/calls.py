"""Doing something as a user of a server, so that nothing shows but what was done: the last call is put back.

A log-in says in the account when it was, which nobody did, and so does the making of an account; the command that puts
it back writes the whole account, the password too, so what it was just before is read in the same go, and where it was
changed meanwhile that is written.  Whose account it is, is remembered before: where a node died in between, the next
connection puts it back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from mirror.citadel.protocol.answers import read_time
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.numbers import number_or_zero
from mirror.model.fields import values_of
from mirror.store.base import Reader, Store

_FIELDS = 9
PASSWORD, NUMBER, LAST_CALL = 1, 6, 7
MOST_S = 300
"""Seconds after which a last call is the user's own, where a node died meanwhile."""


class Account(NamedTuple):
    """An account as ``AGUP`` tells it: name, password, flags, two counters, level, number, last call, days."""

    fields: tuple[str, ...]

    @classmethod
    def of(cls, name: str, call: str) -> "Account":
        """Return one of which no more is known than the name, and when the last call was, in Unix seconds."""
        return cls((name, *[""] * (LAST_CALL - 1), call, ""))

    @property
    def password(self) -> str:
        return self.fields[PASSWORD]

    @property
    def number(self) -> str:
        return self.fields[NUMBER]

    def with_call(self, seconds: str) -> "Account":
        """Return it with another last call."""
        return Account((*self.fields[:LAST_CALL], seconds, *self.fields[LAST_CALL + 1 :]))

    @property
    def command(self) -> bytes:
        """The command that writes it."""
        name, password, flags, _, _, level, _, call, purge = self.fields
        return account_command(name, password, flags, level, call, purge)


def account_command(name: str, password: str, flags: str, level: str, call: str, purge: str) -> bytes:
    """Return the command that writes an account: all of it but what the server counts itself."""
    told = [name, password, flags, "0", "0", level, "0", call, purge]
    return b"ASUP " + "|".join(told).encode("utf-8", "surrogateescape")


def read_account(client: CitadelClient, name: str) -> Account | None:
    """Return an account; None where there is none, or what it tells cannot be written back."""
    (answer,) = client.ask_all([_asking(name)])
    return _account(answer)


def account_to_use(client: CitadelClient, name: str) -> Account | None:
    """Return the account of a user who can be logged in; None where ``name`` is nobody's, or there is no password."""
    account = read_account(client, name) if name else None
    return account if account is not None and account.password else None


def password_of(reader: Reader, user: str) -> str:
    """Return the password that a user has here: one that is another there was changed and not looked at yet."""
    record = reader.get("users", user)
    return "" if record is None or record.dead else str(values_of(record).get("u_password", ""))


@contextmanager
def as_nobody_called(store: Store, client: CitadelClient, place: str, account: Account) -> Iterator[None]:
    """Have an account's last call be what it was, whatever log-ins happen meanwhile."""
    began = time_of(client)
    text = msgspec.json.encode([account.fields, began]).decode()
    store.write(lambda writer: writer.set_meta(_name(place), text))
    try:
        yield
    finally:
        finish_calls(store, client, place)


def finish_calls(store: Store, client: CitadelClient, place: str) -> None:
    """Put back the last call of an account that was used, if there is one."""
    text = store.read(lambda reader: reader.meta_text(_name(place)))
    if not text:
        return
    fields, began = msgspec.json.decode(text, type=tuple[tuple[str, ...], int])
    _put_back(client, Account(fields), began, min(time_of(client), began + MOST_S))
    forget_call(store, place)


def forget_call(store: Store, place: str) -> None:
    """Have no last call be put back."""
    store.write(lambda writer: writer.set_meta(_name(place), ""))


def _put_back(client: CitadelClient, account: Account, began: int, ended: int) -> None:
    """Write an account as it is now with the last call that it had; where it was changed just then, write it again."""
    name, call = account.fields[0], account.fields[LAST_CALL]
    now = read_account(client, name)
    if now is None or not began - 1 <= number_or_zero(now.fields[LAST_CALL]) <= ended + 1:
        return  # it is gone, or its user called
    answers = client.ask_all([_asking(name), now.with_call(call).command, _asking(name)])
    was = _account(answers[0])
    if was is not None and was != now:
        called = was.fields[LAST_CALL] != now.fields[LAST_CALL]
        client.ask_all([(was if called else was.with_call(call)).command])


def _account(answer: list[bytes]) -> Account | None:
    if not answer or not answer[0].startswith(b"200 "):
        return None
    fields = answer[0].removeprefix(b"200 ").decode("utf-8", "surrogateescape").split("|")
    return Account(tuple(fields)) if len(fields) == _FIELDS else None


def _asking(name: str) -> bytes:
    return b"AGUP " + name.encode("utf-8", "surrogateescape")


def time_of(client: CitadelClient) -> int:
    """Return a server's clock, in Unix seconds."""
    (answer,) = client.ask_all([b"TIME"])
    return read_time(answer[0]) if answer else 0


def _name(place: str) -> str:
    return f"called:{place}"
