"""Ends the sessions of users whose accounts let nobody in any more: deleted, of level 0, or with another password.

It costs by the change: only the users' own part of the feed is read, and only where a user is logged in and a commit
changed some user.
"""

import logging
from collections.abc import Iterable, Mapping

from gevent.event import Event

from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.server.node import Connected, Node
from mirror.service.rights import may_log_in
from mirror.store.base import Reader

log = logging.getLogger("mirror.login")

_USERS = "users"


class Accounts:
    """Watches the users of a node's store for its sessions."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._changed = Event()
        # Up to where commits were looked at; None where nobody was there whom they could concern.
        self._sequence: int | None = None

    def run(self) -> None:
        """Do so until killed."""
        stop_watching = self._node.store.watch(self._wake)
        try:
            while True:
                self._changed.wait()
                self._changed.clear()
                with self._node.faults.looking(log, "what became of users"):
                    self.look()
        finally:
            stop_watching()

    def _wake(self) -> None:
        if self._sequence is not None or self._user_keys():
            self._changed.set()

    def look(self) -> None:
        """End the sessions of those whom commits since the last look concern.

        Who is there is asked after how far the commits go: who logs in later looks at the account later, too.
        """
        after, self._sequence = self._sequence, None
        if not self._user_keys():
            return  # who logs in from now on is looked at as a whole: nodes without users read nothing at a commit
        read = self._node.store.read
        if after is None:
            sequence, keys = read(lambda reader: reader.last_sequence()), self._user_keys()
            self._end(read(lambda reader: _all_of(reader, keys)))
            self._sequence = sequence
            return
        changed, keys = self._node.changes.after(after), self._user_keys()
        if _USERS in changed.collections:
            self._end(read(lambda reader: _changed_of(reader, after, keys)))
        self._sequence = changed.sequence

    def _user_keys(self) -> set[str]:
        return {party.user_key for session in self._node.sessions if (party := session.party) and party.is_user}

    def _end(self, users: Mapping[str, Record | None]) -> None:
        for session in list(self._node.sessions):
            party = session.party
            why = _why_not(users[party.user_key], session) if party is not None and party.user_key in users else ""
            if party is not None and why:
                log.info("%s: the session is ended, %s", party.label, why)
                session.hang_up()
                self._node.single_user.lose(party.label)


def _all_of(reader: Reader, keys: Iterable[str]) -> dict[str, Record | None]:
    return {key: reader.get(_USERS, key) for key in keys}


def _changed_of(reader: Reader, after: int, keys: set[str]) -> dict[str, Record | None]:
    """Return those of the users that have changed; all of them where deletions were forgotten meanwhile."""
    if after < reader.trimmed():
        return _all_of(reader, keys)
    found: dict[str, Record | None] = {}
    more = True
    while more:
        page = reader.feed(after, collection=_USERS)
        found |= {record.key: record for record in page.records if record.key in keys}
        after, more = page.sequence, page.more
    return found


def _why_not(user: Record | None, session: Connected) -> str:
    """Return why a user's session may not go on; nothing where it may."""
    if user is None or not may_log_in(user):
        return "the account is gone"
    return "the password is another one" if values_of(user).get("u_password") != session.password else ""
