"""A pair by its settings: which folders, which state, one client at a time; and a round of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mirror.client.config import MAILDIR, BadConfig, ClientConfig, PairSettings
from mirror.client.keeping import Keeper, Tree
from mirror.client.lock import locked
from mirror.client.report import Report
from mirror.client.round import Rules
from mirror.client.server import Room, Server
from mirror.client.state import PairState

if TYPE_CHECKING:
    from mirror.client.form import Form

ACCOUNT = "account"
"""Under what the state says whose rooms these are."""
DAY_S = 86_400
Progress = Callable[[str, int, int | None], None]


class Pair(NamedTuple):
    """A pair that nobody else works on."""

    name: str
    settings: PairSettings
    state: PairState
    tree: Tree
    form: "Callable[[], Form]"
    keeper: type[Keeper]

    def round(self, server: Server, progress: Progress, *, accept_deletions: bool = False, dry: bool = False) -> Report:
        """Keep it equal with a node.  Raises what mirror.client.keeping does."""
        settings = self.settings
        since_s = int(time.time()) - settings.max_age * DAY_S if settings.max_age else 0
        rules = Rules(
            self.wants, settings.direction, accept_deletions, dry, settings.max_size, since_s, settings.max_age
        )
        return self.keeper(self.state, server, self.tree, self.form, rules, progress).round()

    def wants(self, room: Room) -> bool:
        """Tell whether a room is one of this pair's."""
        return self.settings.wants(room.name, room.view)


def chosen(config: ClientConfig, names: tuple[str, ...]) -> list[str]:
    """Return the pairs of these names, all of them where none is named.  Raises BadConfig."""
    for name in names:
        if name not in config.pairs:
            raise BadConfig(f"{config.path} has no [pair.{name}]; it has {', '.join(config.pairs)}")
    return list(names or config.pairs)


@contextmanager
def opened(config: ClientConfig, name: str) -> Iterator[Pair]:
    """Give a pair, its directory locked.  Raises InUse, Missing, BadState, BadConfig."""
    settings = config.pairs[name]
    path = config.state_path(name)
    if not path.exists():  # the first time; later a directory that is gone is none that was emptied
        settings.root.mkdir(parents=True, exist_ok=True)
    with locked(settings.root), closing(PairState(path)) as state:
        _check_account(state, config, name)
        yield Pair(name, settings, state, *parts_of(settings))


def parts_of(settings: PairSettings) -> "tuple[Tree, Callable[[], Form], type[Keeper]]":
    """Return what a pair's directory is, what its files say, and what keeps it equal."""
    if settings.kind == MAILDIR:
        from mirror.client.mail import MailKeeper
        from mirror.client.maildir import MaildirTree

        return MaildirTree(settings.root), _mail, MailKeeper
    from mirror.client.vdir import VdirTree

    return VdirTree(settings.root), _items, Keeper


def _mail() -> "Form":
    from mirror.client.mail_form import Mail

    return Mail()


def _items() -> "Form":
    from mirror.client.form import Items

    return Items()


def _check_account(state: PairState, config: ClientConfig, name: str) -> None:
    """Raise BadConfig where what is remembered of a pair is of another account or directory."""
    now = f"{config.account} {config.pairs[name].root.absolute()}"
    held = state.about(ACCOUNT)
    if not held:
        with state.writing():
            state.note(ACCOUNT, now)
    elif held != now:
        raise BadConfig(
            f"[pair.{name}] was kept equal as {held!r}, and is {now!r} now: 'ctdlmirror client reset {name}' "
            "forgets that, and both sides are compared anew"
        )


@contextmanager
def remembering(config: ClientConfig, name: str) -> Iterator[PairState | None]:
    """Give what is remembered of a pair, to be read; None where it was never kept equal.  Raises BadState."""
    path = config.state_path(name)
    if not path.exists():
        yield None
        return
    with closing(PairState(path)) as state:
        yield state


def remembered(config: ClientConfig, name: str) -> list[dict[str, object]]:
    """Return what is remembered of a pair, a row for each of its folders."""
    with remembering(config, name) as state:
        if state is None:
            return []
        conflicts = [conflict.room for conflict in state.conflicts()]
        return [
            {
                "pair": name,
                "folder": folder.folder,
                "room": folder.name,
                "items": state.count(room),
                "held": folder.held,
                "conflicts": conflicts.count(room),
                "state": "in step" if folder.complete else "to be compared",
            }
            for room, folder in state.folders().items()
        ]


def forget(config: ClientConfig, name: str) -> Path:
    """Forget what both sides of a pair agreed on; returns the file that was removed.  Raises InUse."""
    path = config.state_path(name)
    root = config.pairs[name].root
    with locked(root) if root.is_dir() else nullcontext():
        path.unlink(missing_ok=True)
    return path
