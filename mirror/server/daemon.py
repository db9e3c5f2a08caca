"""The daemon: a node with its doors open and its links running, until it is told to stop."""

import logging
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from mirror.config.errors import ConfigError
from mirror.config.secrets import load_invitations
from mirror.config.settings import SHARE, Config, Peer
from mirror.model.errors import MirrorError
from mirror.peer.clocks import SYSTEM, Clocks
from mirror.peer.link import Link
from mirror.peer.remote import ChannelRemote
from mirror.peer.tls import ending
from mirror.server.accounts import Accounts
from mirror.server.descriptors import raise_limit
from mirror.server.following import ServerFollower
from mirror.server.joining import usable_secrets
from mirror.server.listener import Listener
from mirror.server.manager import READY, STOPPING, Manager
from mirror.server.node import Node
from mirror.server.settings import Settings, read_settings
from mirror.server.upkeep import Upkeep
from mirror.store.green import GreenStore, open_green
from mirror.store.open import Options
from mirror.sync.exchange import MirrorExchange
from mirror.sync.round import Exchange
from mirror.sync.share.exchange import ShareExchange

log = logging.getLogger("mirror.daemon")

WATCH_S = 60.0
"""Seconds between two looks at the clock; every write looks as well."""
DAY_S = 86_400.0
LOCK_WAIT_S = 30.0
"""Seconds to wait at the start for a command that has the store open."""
STOP_TIMEOUT_S = 4.0
"""Seconds that links and sessions get to end."""


def _usable(settings: Settings, now_ms: int) -> dict[str, str]:
    return usable_secrets(settings.secrets, settings.invitations, now_ms // 1000)


class Daemon:
    """Owns the node, the listener and one greenlet per link."""

    def __init__(self, directory: Path, clocks: Clocks = SYSTEM) -> None:
        """Raises ConfigError, StoreError or ListenError."""
        self._directory = directory
        self._up = Event()
        self._reloading = BoundedSemaphore()
        gevent.signal_handler(signal.SIGHUP, self._reload_by_signal)  # before the files are read: none is missed
        settings = read_settings(directory, starting=True)
        config = settings.config
        self._passwords = settings.passwords
        options = Options(
            "ctdlmirror daemon",
            clocks.now_ms,
            max_ahead_ms=config.max_ahead_ms,
            create=False,
            wait_s=LOCK_WAIT_S,
        )
        store: GreenStore = open_green(directory, config.node, config.store.url, options)
        self.node = Node(config, _usable(settings, clocks.now_ms()), store, clocks.elapsed_ms)
        self.node.tls = settings.tls
        self.node.reload = self.reload
        self._tell(settings.notes)
        self._listener = Listener(self.node)
        self._greenlets: dict[str, gevent.Greenlet] = {}
        self._stop = Event()
        self._clock_believed = Event()
        try:
            self._listener.open()
        except BaseException:
            self._listener.close()
            store.close()
            raise

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP reloads the configuration."""
        gevent.signal_handler(signal.SIGTERM, self._stop.set)
        gevent.signal_handler(signal.SIGINT, self._stop.set)
        upkeep = Upkeep(self.node.store, self.node.config)
        self.node.clock.believed = self._clock_believed.set
        upkeep.keep_up()  # before any peer compares what both of us have heard
        keeping = [
            gevent.spawn(upkeep.run),
            gevent.spawn(Accounts(self.node).run),
            gevent.spawn(self.node.sharing.run, self._rules_changed),
            gevent.spawn(self._watch_clock, upkeep),
            gevent.spawn(self._watch_certificate),
            gevent.spawn(self._watch_invitations),
            gevent.spawn(self.node.store.read, self.node.told.look_up),
        ]
        self._start_links(self.node.config)
        wait_open = self.node.single_user.wait_open
        self.node.attachments.start(ServerFollower, wait_open, self.node.config, self._passwords)
        self._up.set()
        manager = Manager(os.environ)
        keeping.append(gevent.spawn(manager.keep_alive))
        log.info("node %s is up on %s", self.node.config.node, ", ".join(self.node.addresses) or "no address")
        manager.tell(READY)
        try:
            self._stop.wait()
        finally:
            manager.tell(STOPPING)
            gevent.killall(keeping)
            self._close()

    def _watch_clock(self, upkeep: Upkeep) -> None:
        """Say what is wrong with the clock when that is noticed, and do what waited for it, until killed."""
        for note in self.node.clock.stamps_ahead():
            log.warning("%s", note)
        while True:
            self.node.clock.watch()
            if self._clock_believed.wait(WATCH_S):
                self._clock_believed.clear()
                upkeep.keep_up()

    def _watch_certificate(self) -> None:
        """Say each day that the certificate ends soon, until killed."""
        while True:
            gevent.sleep(DAY_S)
            self._tell(filter(None, [ending(self._directory)]))

    def _watch_invitations(self) -> None:
        """Have the secrets of invitations that nobody used in time let nobody in, until killed."""
        while True:
            gevent.sleep(WATCH_S)
            try:
                invitations = load_invitations(self._directory)
            except ConfigError as error:
                self.node.faults.tell(log, "invitations", str(error))
                continue
            secrets = usable_secrets(self.node.secrets, invitations, self.node.store.clock.now_ms() // 1000)
            if secrets != self.node.secrets:
                log.info("invitations have ended that nobody used: %s", ", ".join(self.node.secrets.keys() - secrets))
                self.node.configure(self.node.config, secrets)

    @staticmethod
    def _tell(notes: Iterable[str]) -> None:
        for note in notes:
            log.warning("%s", note)

    def _start_links(self, config: Config) -> None:
        for peer in config.peers:
            if peer.address is not None:
                self._start_link(config, peer)

    def _start_link(self, config: Config, peer: Peer) -> None:
        secret = self.node.secrets.get(peer.name)
        if secret is None:
            return  # as was told when the files were read
        node = self.node
        exchange = self._exchange_with(peer)
        link = Link(
            node.store,
            config,
            peer,
            secret,
            node.recent[peer.name],
            node.single_user.wait_open,
            exchange,
            node.faults,
            node.clock,
            node.twins,
            node.identity,
        )
        self.node.links[peer.name] = link
        self._greenlets[peer.name] = gevent.spawn(link.run)

    def _exchange_with(self, peer: Peer) -> Exchange[ChannelRemote]:
        if peer.kind != SHARE:
            return MirrorExchange(self.node.store, peer.name)
        shares = self.node.sharing.of(peer.name)
        return ShareExchange(self.node.store, peer.name, shares.scope, shares.rooms, self.node.sums)

    def _rules_changed(self, peers: list[str]) -> None:
        """Have the peers with whom rooms are shared begin anew, by the rules there are now."""
        for name in peers:
            for session in list(self.node.sessions):
                if session.party is not None and (session.party.kind, session.party.name) == ("share", name):
                    session.hang_up()
            greenlet = self._greenlets.pop(name, None)
            if greenlet is not None:
                greenlet.kill(timeout=STOP_TIMEOUT_S / 2)
                self.node.links.pop(name, None)
            peer = self.node.config.peer(name)
            if peer is not None and peer.address is not None:
                self._start_link(self.node.config, peer)

    def _stop_links(self) -> None:
        gevent.killall(list(self._greenlets.values()), timeout=STOP_TIMEOUT_S / 2)
        self._greenlets.clear()
        self.node.links.clear()

    def _reload_by_signal(self) -> None:
        gevent.spawn(self._reload_in_the_log)

    def _reload_in_the_log(self) -> None:
        try:
            self.reload()
        except MirrorError as error:
            log.error("not reloaded: %s", error)

    def reload(self) -> list[str]:
        """Take over changed settings and certificate; returns what to know of them.

        Raises ConfigError for what is wrong, and then changes nothing.  Addresses and the store need a restart.
        """
        self._up.wait()
        with self._reloading:
            settings = read_settings(self._directory)
            notes = [*settings.notes, *self._at_the_next_start(settings.config)]
            self._take_over(settings)
        self._tell(notes)
        config = settings.config
        log.info("reloaded: %d peers, %d attachments", len(config.peers), len(config.attachments))
        return notes

    def _at_the_next_start(self, config: Config) -> Iterable[str]:
        """Yield what of a configuration does not count before a restart.  Raises ConfigError for another node's."""
        held = self.node.config
        if config.node != held.node:
            raise ConfigError(f"a node's name never changes (it is {held.node}, not {config.node})")
        if (config.listen.addresses, config.listen.tls_addresses) != (held.listen.addresses, held.listen.tls_addresses):
            yield "changed listen addresses take effect at the next start"
        if config.store != held.store:
            yield "another store is opened at the next start"

    def _take_over(self, settings: Settings) -> None:
        logging.getLogger().setLevel(settings.config.log.level.upper())
        self._stop_links()
        self.node.tls = settings.tls
        self.node.max_users = raise_limit(settings.config.listen.max_sessions)
        self.node.configure(settings.config, _usable(settings, self.node.store.clock.now_ms()))
        self._start_links(settings.config)
        self.node.attachments.configure(settings.config, settings.passwords)

    def _close(self) -> None:
        log.info("stopping")
        self.node.attachments.stop()
        self._stop_links()
        self._listener.close()
        with gevent.Timeout(STOP_TIMEOUT_S, False):
            self.node.store.close()
