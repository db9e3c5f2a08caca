"""The root of every error the mirror raises on purpose, and those of the model itself."""

from typing import ClassVar


class MirrorError(Exception):
    """Something a user can act on; its text is one line that says what was wrong and where.

    A class of errors that a script has to tell from others sets ``exit_code``, with which a command that ends by it
    exits; docs/exit-codes.md lists them.
    """

    exit_code: ClassVar[int] = 10


class StampAhead(MirrorError):
    """A stamp lies further in the future than this node's clock allows (rule 6).

    ``wait_ms`` is after how many milliseconds it may be taken, where that is soon; else 0.
    """

    def __init__(self, text: str, wait_ms: int = 0) -> None:
        super().__init__(text)
        self.wait_ms = wait_ms


class BadRecord(MirrorError):
    """A record that breaks the model's limits or whose body cannot be read."""


class BadContent(BadRecord):
    """Bytes that are not those of the ``content`` (a SHA-256) that they came under."""

    def __init__(self, content: bytes, text: str) -> None:
        super().__init__(f"content {content.hex()} {text}")
        self.content = content
