"""In what a server that shares things with others may differ from what is here of them, though it was written into it.

A server has numbers and a domain of its own, whatever comes to it from elsewhere; what was made there says just what is
here.  Values in, values out; docs/citadel.md shows what may differ between two such servers.
"""

from mirror.citadel.meaning.declared import Expected, declaration

OF_ALL = (Expected("users", "u_emailaddrs", "a server keeps those of its own domains, and makes one of its own"),)
"""Of whatever the server has."""
_NUMBER = "a number is kept where the server never had a higher one"
OF_ELSEWHERE = (
    Expected("users", "u_usernum", _NUMBER),
    Expected("users", "u_uid", "a user on the server's own system"),
    Expected("users", "u_version", "which version of the server made the user"),
    Expected("floors", "f_num", "a server gives a new floor the first number that is free"),
    Expected("rooms", "QRnumber", _NUMBER),
    Expected("rooms", "QRroomaide", "of a room that another server made, who is no user of that one is nobody"),
    Expected("rooms", "QRgen", "when a server made the room"),
)
"""Of what was made on another server."""
STAYS = "what programs keep for a user, and the user's own card, stay on the server where they are"
SERVICE = "the account as whom is written is the server's own"


def why_otherwise(server: str, collection: str, key: str, field: str) -> str:
    """Return why a field of what a server of a node name shares may be another there; nothing where it may not."""
    one = declaration(collection, field, OF_ALL)
    if one is None and _made_at(key) != server:
        one = declaration(collection, field, OF_ELSEWHERE)
    return one.why if one is not None else ""


def _made_at(key: str) -> str:
    """Return the server at which something was made: a folder is beside its user's key, and names its server."""
    node, _, number = key.rpartition(":")
    return number.rpartition(".")[0] or node
