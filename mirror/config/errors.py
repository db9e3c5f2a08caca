"""What is wrong with a node's configuration, told by file and key."""

from mirror.model.errors import MirrorError


class ConfigError(MirrorError):
    """A configuration or secrets file that cannot be used."""

    exit_code = 3
