"""Where something is: a host and port, or a Citadel server by one of its doors, as text and as values.

Reads and writes such texts; connects nowhere, and knows no file.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

DEFAULT_PORT = 2504
"""A node's."""
CITADEL_PORT = 504
CITADEL_USER = "admin"
"""Who logs in at another machine's Citadel where nobody is named."""


class Address:
    """Where to listen or dial: host and TCP port."""

    __slots__ = ("host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (self.host, self.port) == (other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.host, self.port))

    def __repr__(self) -> str:
        return f"Address({self.host!r}, {self.port})"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether nothing that is sent there leaves this machine."""
        try:
            return unmapped(ip_address(self.host)).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, or the address itself."""
    return getattr(address, "ipv4_mapped", None) or address


def read_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Read ``host:port``, ``[v6]:port`` or ``host``.  Raises ValueError."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+)(?::(\d{1,5}))?", text.strip())
    if match is None or int(match[2] or 0) > 65535:
        raise ValueError(f"{text!r} is no address (host:port)")
    return Address(match[1].strip("[]"), int(match[2]) if match[2] else default_port)


class ServerPlace:
    """A Citadel server by one of its doors, and who logs in there.

    ``where`` is an address, or the directory on this machine that has its administrator's socket, where nobody logs in
    unless a ``user`` is named.
    """

    __slots__ = ("user", "where")

    def __init__(self, where: Address | Path, user: str = "") -> None:
        self.where = where
        self.user = user

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerPlace) and (self.where, self.user) == (other.where, other.user)

    def __hash__(self) -> int:
        return hash((self.where, self.user))

    def __repr__(self) -> str:
        return f"ServerPlace({self.where!r}, {self.user!r})"

    def __str__(self) -> str:
        """Return it as the text that it is read from."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        return f"citadel://{user}{quote(str(self.where)) if isinstance(self.where, Path) else self.where}"


PLACES = "citadel://ADMIN@HOST:PORT or citadel:///DIRECTORY"
"""How a Citadel server is named, in words."""


def read_server_place(text: str) -> ServerPlace:
    """Read ``citadel:///directory``, ``citadel://user@/directory`` or ``citadel://user@host:port``.

    Raises ValueError, which never shows a password.
    """
    if not text.startswith("citadel://"):
        raise ValueError(f"{text!r} is no {PLACES}")
    parts = urlsplit(text)
    if parts.password is not None:
        raise ValueError("a password in a URL is seen by others")
    host, user = parts.netloc.rpartition("@")[2], unquote(parts.username or "")
    if parts.query or parts.fragment or not user.isprintable():
        raise ValueError(f"{text!r} is no {PLACES}")
    if host:
        if parts.path not in ("", "/"):
            raise ValueError(f"{text!r} names a host and a directory: it is one or the other")
        return ServerPlace(read_address(host, CITADEL_PORT), user or CITADEL_USER)
    directory = Path(unquote(parts.path))
    if not directory.is_absolute() or len(directory.parts) < 2 or "\0" in str(directory):
        raise ValueError(f"{text!r} is no {PLACES}")
    return ServerPlace(directory, user)
