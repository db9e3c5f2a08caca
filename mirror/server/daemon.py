"""The daemon: a node with its doors open and its links running, until it is told to stop."""

import json
import logging
import os
import signal
from pathlib import Path

import gevent
from gevent.event import Event

from mirror.config import (
    SECRETS_FILE,
    SHARE,
    STATE_FILE,
    Config,
    Peer,
    load_config,
    load_passwords,
    load_secrets,
    orphans,
)
from mirror.model.errors import MirrorError
from mirror.peer.clocks import SYSTEM, Clocks
from mirror.peer.link import Link
from mirror.peer.remote import ChannelRemote
from mirror.peer.tls import server_context
from mirror.server.accounts import Accounts
from mirror.server.following import ServerFollower
from mirror.server.listener import Listener
from mirror.server.node import Node
from mirror.server.upkeep import Upkeep
from mirror.store.green import GreenStore, open_green
from mirror.store.open import Options
from mirror.sync.exchange import MirrorExchange
from mirror.sync.round import Exchange
from mirror.sync.share.exchange import ShareExchange

log = logging.getLogger("mirror.daemon")

WATCH_S = 60.0
"""Seconds between two looks at the clock; every write looks as well."""
STOP_TIMEOUT_S = 4.0
"""Seconds that links and sessions get to end."""


class Daemon:
    """Owns the node, the listener and one greenlet per link."""

    def __init__(self, directory: Path, clocks: Clocks = SYSTEM) -> None:
        """Raises ConfigError, StoreError or ListenError."""
        self._directory = directory
        config, secrets = load_config(directory), load_secrets(directory)
        self._passwords = load_passwords(directory)
        store: GreenStore = open_green(
            directory,
            config.node,
            config.store.url,
            Options("ctdlmirror daemon", clocks.now_ms, max_ahead_ms=config.max_ahead_ms, create=False),
        )
        self.node = Node(config, secrets, store, clocks.elapsed_ms)
        self._listener = Listener(self.node)
        self._greenlets: dict[str, gevent.Greenlet] = {}
        self._stop = Event()
        self._clock_believed = Event()
        try:
            self.node.tls = server_context(directory)
            self._listener.open()
        except BaseException:
            self._listener.close()
            store.close()
            raise

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP reloads the configuration."""
        gevent.signal_handler(signal.SIGTERM, self._stop.set)
        gevent.signal_handler(signal.SIGINT, self._stop.set)
        gevent.signal_handler(signal.SIGHUP, self.reload)
        upkeep = Upkeep(self.node.store, self.node.config)
        self.node.clock.believed = self._clock_believed.set
        upkeep.keep_up()  # before any peer compares what both of us have heard
        keeping = [
            gevent.spawn(upkeep.run),
            gevent.spawn(Accounts(self.node).run),
            gevent.spawn(self.node.sharing.run, self._rules_changed),
            gevent.spawn(self._watch_clock, upkeep),
        ]
        self._start_links(self.node.config)
        wait_open = self.node.single_user.wait_open
        self.node.attachments.start(ServerFollower, wait_open, self.node.config, self._passwords)
        self._write_state()
        log.info("node %s is up on %s", self.node.config.node, ", ".join(self.node.addresses) or "no address")
        try:
            self._stop.wait()
        finally:
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

    def _write_state(self) -> None:
        state = {"pid": os.getpid(), "node": self.node.config.node, "addresses": self.node.addresses}
        temporary = self.node.config.path(STATE_FILE + ".new")
        temporary.write_text(json.dumps(state) + "\n", "utf-8")
        temporary.replace(self.node.config.path(STATE_FILE))

    def _start_links(self, config: Config) -> None:
        for name in orphans(config, self.node.secrets):
            log.warning("%s has a secret for %s, which is no peer: it cannot log in", SECRETS_FILE, name)
        for peer in config.peers:
            if peer.address is not None:
                self._start_link(config, peer)

    def _start_link(self, config: Config, peer: Peer) -> None:
        secret = self.node.secrets.get(peer.name)
        if secret is None:
            log.error("peer %s has no secret: run 'ctdlmirror peer add' again", peer.name)
            return
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

    def reload(self) -> None:
        """Take over a changed configuration; a broken one changes nothing.  Addresses need a restart."""
        gevent.spawn(self._reload)

    def _reload(self) -> None:
        try:
            config, secrets = load_config(self._directory), load_secrets(self._directory)
            passwords = load_passwords(self._directory)
        except MirrorError as error:
            log.error("not reloaded: %s", error)
            return
        if config.node != self.node.config.node:
            log.error("not reloaded: a node's name never changes (it is %s)", self.node.config.node)
            return
        held = self.node.config
        if (config.listen.addresses, config.listen.tls_addresses) != (held.listen.addresses, held.listen.tls_addresses):
            log.warning("changed listen addresses take effect at the next start")
        if config.store != held.store:
            log.warning("another store is opened at the next start")
        logging.getLogger().setLevel(config.log.level.upper())
        self._stop_links()
        try:
            self.node.configure(config, secrets)
        except MirrorError as error:
            log.error("not reloaded in full: %s", error)
        self._start_links(config)
        self.node.attachments.configure(config, passwords)
        log.info("reloaded: %d peers, %d attachments", len(config.peers), len(config.attachments))

    def _close(self) -> None:
        log.info("stopping")
        self.node.attachments.stop()
        self._stop_links()
        self._listener.close()
        self.node.config.path(STATE_FILE).unlink(missing_ok=True)
        with gevent.Timeout(STOP_TIMEOUT_S, False):
            self.node.store.close()
