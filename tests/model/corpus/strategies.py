"""Items, edits and programs of the corpus as hypothesis draws them."""

from hypothesis import strategies as st

from corpus.checks import Step, Way
from corpus.edits import CALENDAR, CARD
from corpus.manners import SIGNS, WORDS, Editor
from corpus.messages import names, source

NODES = ("left", "right", "third")
NAMES = st.sampled_from(names())


def editors() -> st.SearchStrategy[Editor]:
    """Programs: how they say it, what they say of themselves, and how they break lines."""
    return st.builds(
        lambda told, signed, width, line_end: Editor((*told, *signed), width, line_end),
        st.lists(st.sampled_from(list(WORDS)), max_size=3, unique=True),
        st.lists(st.sampled_from(list(SIGNS)), max_size=2, unique=True),
        st.sampled_from([75, 60, 0]),
        st.sampled_from([None, b"\r\n", b"\n"]),
    )


def ways(name: str) -> st.SearchStrategy[Way]:
    """What one side does to an item of that name: nothing, or up to three edits that some item of its kind takes."""
    table = CARD if source(name).is_card else CALENDAR
    edits = st.lists(st.tuples(st.sampled_from(list(table)), st.integers(0, 3)), max_size=3)
    return st.builds(Way, edits.map(tuple), editors(), st.integers(0, 3))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, Way, Way]:
    """An item, and what two sides do to it."""
    name = draw(NAMES)
    return name, draw(ways(name)), draw(ways(name))


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[Step]]:
    """An item, and three or four versions of it, some made of others."""
    name = draw(NAMES)
    steps = st.builds(Step, st.lists(st.integers(0, 4), max_size=2).map(tuple), st.sampled_from(NODES), ways(name))
    return name, draw(st.lists(steps, min_size=3, max_size=4))
