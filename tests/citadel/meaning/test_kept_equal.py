"""In what a server that shares things with others may differ from what is here: its own numbers, and no more."""

import pytest

from mirror.citadel.meaning.kept_equal import OF_ALL, OF_ELSEWHERE, why_otherwise


@pytest.mark.parametrize(
    ("collection", "key", "field", "may_differ"),
    [
        ("rooms", "alpha:7", "QRnumber", True),
        ("rooms", "beta:7", "QRnumber", False),
        ("rooms", "beta:alpha.7", "QRnumber", True),
        ("rooms", "alpha:beta.7", "QRnumber", False),
        ("rooms", "alpha:7", "QRname", False),
        ("users", "beta:7", "u_emailaddrs", True),
        ("users", "alpha:7", "u_axlevel", False),
        ("floors", "3", "f_num", True),
    ],
)
def test_what_came_from_elsewhere_has_the_servers_own_numbers(
    collection: str, key: str, field: str, may_differ: bool
) -> None:
    assert bool(why_otherwise("beta", collection, key, field)) is may_differ


def test_each_that_may_differ_has_a_reason() -> None:
    assert all(one.why for one in (*OF_ALL, *OF_ELSEWHERE))
