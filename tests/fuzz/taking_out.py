"""Takes mends out, and tells whether the short forms notice it.

    contrib/with-venv contrib/fuzz/ctdlmirror-fuzz mends

has each form look with all mends in place, and then takes out one mend of the table (mends.py) after another, each in a
process of its own.  Exit code 1 when a fault is not noticed, when a form finds something with all mends in place, or
when a name of the table is no more.
"""

import argparse
import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from gevent.os import fork

sys.path.insert(0, str(Path(__file__).parent))

from forms import Form
from mends import MENDS, Mend

LONGEST_S = 120
"""Seconds that a form may take to notice something."""
MAX_SAID = 4000
"""Characters of what a form says; so many go through a pipe at once."""
WIDTH = 110
FAILED = "! "
"""Begins what is said of a process that could not look."""


class Gone(Exception):
    """A name of the table that is no more; says which."""


@contextmanager
def taken_out(mend: Mend) -> Iterator[None]:
    """Have a mend taken out for a while.  Raises Gone."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for name, instead in mend.out.items():
            holder, attribute = holder_of(name), name.rpartition(".")[2]
            before.append((holder, attribute, vars(holder)[attribute]))
            setattr(holder, attribute, instead)
        yield
    finally:
        for holder, attribute, value in reversed(before):
            setattr(holder, attribute, value)


def holder_of(name: str) -> Any:
    """Return the module or class in which a name stands.  Raises Gone."""
    path, _, attribute = name.rpartition(".")
    holder: Any = None
    try:
        holder = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, class_ = path.rpartition(".")
        try:
            holder = getattr(importlib.import_module(module), class_, None)
        except ModuleNotFoundError:
            pass
    if holder is None or attribute not in vars(holder):
        raise Gone(f"{name} is no more: the table in tests/fuzz/mends.py has to name what took its place")
    return holder


def noticed(mend: Mend) -> str:
    """Take a mend out, and return what its form finds, or an empty string.  Raises Gone."""
    with taken_out(mend):
        return next((problem for problem in mend.form.problems() if mend.says in problem), "")


# -- all of them, each in a process of its own ---------------------------------------------------------


class Finding(msgspec.Struct):
    """What a form noticed, with one mend taken out or with all in place."""

    fault: str
    mend: str
    form: str
    noticed: bool
    says: str
    seconds: float


class Report(msgspec.Struct):
    """What all forms noticed."""

    in_place: list[Finding]
    taken_out: list[Finding]

    @property
    def wrong(self) -> list[Finding]:
        """What must not be: something noticed with all mends in place, or nothing with one taken out."""
        return [one for one in self.in_place if one.noticed] + [one for one in self.taken_out if not one.noticed]


def main(arguments: Sequence[str]) -> int:
    """Try them as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        "ctdlmirror-fuzz mends", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="just those whose line has one of these words")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    options = parser.parse_args(arguments)
    mends = [mend for mend in MENDS if not options.words or any(word in str(mend[:3]) for word in options.words)]
    if not mends:
        parser.error(f"no mend of the table has {' or '.join(options.words)}")
    forms = {mend.form.name: mend.form for mend in mends}.values()
    report = Report([*map(_look, forms)], [*map(_try, mends)])
    print(msgspec.json.encode(report).decode() if options.json else _table(report))
    return 1 if report.wrong else 0


def _look(form: Form) -> Finding:
    """Have a form look with all mends in place: what it found there too would prove nothing."""
    began = time.monotonic()
    says = _apart(lambda: next(form.problems(), ""))
    return Finding("", "", form.name, bool(says), says, time.monotonic() - began)


def _try(mend: Mend) -> Finding:
    began = time.monotonic()
    says = _apart(lambda: noticed(mend))
    is_noticed = bool(says) and not says.startswith(FAILED)
    return Finding(mend.fault, mend.mend, mend.form.name, is_noticed, says, time.monotonic() - began)


def _apart(job: Callable[[], str]) -> str:
    """Do a job in a process of its own, and return what it does, or after FAILED why it could not."""
    reading, writing = os.pipe()
    child = fork()
    if not child:
        _do_and_exit(job, writing)
    os.close(writing)
    with open(reading, "rb") as told:
        if not select.select([told], [], [], LONGEST_S)[0]:
            os.kill(child, signal.SIGKILL)
        said = told.read().decode()
    status = os.waitpid(child, 0)[1]
    return said if not status else f"{FAILED}it ended with {status:#x}, or took over {LONGEST_S} s"


def _do_and_exit(job: Callable[[], str], writing: int) -> NoReturn:
    """Do a job in a forked process, of which nothing but its answer comes out."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            said = job()
        except Gone as error:
            said = f"{FAILED}{error}"
        except Exception as error:
            said = f"{FAILED}{type(error).__name__}: {error}"
        lines = said.strip().splitlines()
        said = " ... ".join(lines if len(lines) < 2 else (lines[0], lines[-1]))  # of a traceback that is its error
        os.write(writing, said[:MAX_SAID].encode())
    finally:
        os._exit(0)


def _table(report: Report) -> str:
    lines = [_shown(one) for one in report.taken_out]
    lines += [f"WRONG: {one.form}, with all mends in place: {one.says}" for one in report.in_place if one.noticed]
    lines += [
        f"WRONG: {one.fault}, without {one.mend}: {one.says or 'nothing is noticed'}"
        for one in report.taken_out
        if not one.noticed
    ]
    count = sum(one.noticed for one in report.taken_out)
    return "\n".join([*lines, f"{len(report.taken_out)} mends taken out, {count} noticed"])


def _shown(one: Finding) -> str:
    how = "noticed" if one.noticed else "NOT NOTICED"
    lines = (one.fault, f"without {one.mend}", f"{one.form}: {one.says[:WIDTH]}")
    return f"{how:11} {one.seconds:5.1f} s  " + f"\n{'':21}".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
