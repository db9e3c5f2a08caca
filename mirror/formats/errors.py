"""What can be wrong with data or answers from a Citadel server."""

from mirror.model.errors import MirrorError


class CitadelError(MirrorError):
    """A Citadel server, or a file exported by one, that cannot be used."""

    exit_code = 9


class BadMessage(CitadelError):
    """Bytes that are no serialized Citadel message."""
