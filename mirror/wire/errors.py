"""What can be wrong with bytes that came over the wire."""

from mirror.model.errors import MirrorError


class ProtocolError(MirrorError):
    """The other side sent what the protocol does not allow; the connection cannot go on."""


class Refused(MirrorError):
    """The other side answered a command with an error reply; ``code`` is its three digits."""

    exit_code = 8

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class ChangedThere(Refused):
    """A draft was to replace one version only, and the other side holds another one.

    What that is stands in the text (``parse_changed``).
    """
