"""IGNET's neighbors, as a server of version 980 keeps them."""

import pytest
from recorded import recorded

from netconf.errors import NetconfError
from netconf.neighbors import Neighbor, read_neighbors


def test_the_recorded_neighbors_are_read() -> None:
    text = "Content-type: application/x-citadel-ignet-config\nContent-transfer-encoding: 7bit\n\n"
    setting = recorded("CONF GETSYS|application/x-citadel-ignet-config").decode()
    expected = [Neighbor("bravo", "s3cret", "127.0.0.1", 504), Neighbor("charlie", "hunter2", "127.0.0.2", 5044)]
    assert read_neighbors(setting) == read_neighbors(text + setting) == expected


@pytest.mark.parametrize(
    ("line", "field"),
    [("br avo|s|h|1", "node"), ("bravo|s||504", "host"), ("bravo|s|h|99999", "port"), ("b|s|h|x", "port")],
)
def test_a_neighbor_that_cannot_be_read_is_named(line: str, field: str) -> None:
    with pytest.raises(NetconfError, match=rf"line 1, field \d \({field}\)") as caught:
        read_neighbors(line + "\n")
    assert "|s|" not in str(caught.value).partition(";")[0]
