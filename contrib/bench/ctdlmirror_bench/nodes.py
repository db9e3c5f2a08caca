"""Two nodes in a directory of their own: alpha serves, beta copies.  Real processes over TLS."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.cli.local import identity_of, local_node
from mirror.cli.processes import NodeProcess, stop_all
from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets
from mirror.peer.dial import dial_peer
from mirror.peer.remote import ChannelRemote
from mirror.wire.values import Identity


class Nodes(dict[str, NodeProcess]):
    """Nodes by name, below one directory."""

    def __init__(self, directory: Path, *names: str) -> None:
        super().__init__({name: NodeProcess(directory / name, name) for name in names})
        self.directory = directory
        self._identity: Identity | None = None
        for node in self.values():
            node.set_up()

    def path(self, name: str) -> Path:
        return self[name].directory

    def introduce(self) -> None:
        """Make alpha and beta peers, and start alpha."""
        secret = self.directory / "secret"
        alpha, beta = self["alpha"], self["beta"]
        alpha.run("peer", "add", "beta", "--new-secret", str(secret), "--trust", beta.pin)
        alpha.start()
        beta.knows(alpha, secret)

    def bootstrap(self, *options: str) -> None:
        """Copy alpha to beta."""
        self["beta"].run("bootstrap", f"mirror://{self['alpha'].address}", *options, "--json")

    def dial(self) -> ChannelRemote:
        """Return a connection to alpha, as beta makes it."""
        peer = load_config(self.path("beta")).peers[0]
        secret = load_secrets(self.path("beta"))["alpha"]
        channel, _ = dial_peer(peer, "beta", secret, 90, identify=self._identify)
        return ChannelRemote(channel)

    def _identify(self) -> Identity:
        """Return which beta this is: of all connections the same one, as a daemon's are."""
        if self._identity is None:
            with local_node(self.path("beta")) as beta:
                self._identity = identity_of(beta)
        return self._identity


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a directory that is removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="ctdlmirror-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def pair() -> Iterator[Nodes]:
    """Give alpha and beta, set up."""
    with scratch() as directory:
        nodes = Nodes(directory, "alpha", "beta")
        try:
            yield nodes
        finally:
            stop_all(list(nodes.values()))
