"""Does something as a user of a server that nobody else may do; the last call is put back, as after all log-ins."""

from collections.abc import Callable

from mirror.citadel.meaning.keys import owner_of
from mirror.citadel.protocol.client import CitadelClient, LoginFailed
from mirror.citadel.writers.base import OpenRoom, Target
from mirror.citadel.writers.calls import account_to_use, as_nobody_called, password_of
from mirror.formats.numbers import number_or_zero
from mirror.model.record import Record


def do_as_user(
    target: Target, record: Record, what: str, name: str, key: str, doing: Callable[[CitadelClient], object]
) -> bool:
    """Do something on a connection of its own, on which a user is logged in; tells whether it was done.

    ``what`` is written by that, in words; ``name`` is what the user is called there, ``key`` under which the user is
    here.  Where it cannot be done it is noted why ``record`` was left.
    """
    where = f"{what} of {name}"
    account = account_to_use(target.client, name)
    if account is None:
        target.leave(record, where, "its user is not there, or has no password of its own")
        return False
    if account.password != target.store.read(lambda reader: password_of(reader, key)):
        target.wait(record, where, "its user's password was changed just now")
        return False
    target.written.called.add(number_or_zero(account.number))
    with as_nobody_called(target.store, target.client, target.place, account):
        other = target.connect()
        try:
            other.log_in_as(name, account.password)
            doing(other)
        except LoginFailed as error:
            target.leave(record, where, str(error))
            return False
        finally:
            other.channel.close()
    return True


def goto_as(into: OpenRoom, user: int) -> bytes:
    """Return the command by which a user enters a room without a trace: one's own rooms have no number."""
    name = into.room.name.partition(".")[2] if owner_of(into.room.name) == user else into.room.name
    return f"GOTO {name}|{into.room.password}|1".encode("utf-8", "surrogateescape")
