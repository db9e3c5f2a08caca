"""Settings: they name the server and the time of everything that has none of its own, so a look begins with them."""

from collections.abc import Mapping, Sequence

from mirror.citadel.looks.look import Look
from mirror.citadel.looks.remembered import HIGHEST_KEY, Identity, place_of
from mirror.citadel.meaning.homes import INBOX_RULES, in_force_elsewhere
from mirror.citadel.meaning.keys import ROOMS, USERS, read_keys
from mirror.citadel.meaning.marks import Visits
from mirror.citadel.migr.elements.netconf import propose
from mirror.citadel.migr.folders import Folders
from mirror.citadel.migr.names import CONTENT_TYPE_KEY, CREATED_KEY
from mirror.citadel.migr.told import Told
from mirror.formats.errors import CitadelError
from mirror.formats.keys import seconds_stamp
from mirror.formats.numbers import number_or_zero
from mirror.formats.server_own import NETCONF_SETTING, SHARED_SETTINGS, is_own_setting
from mirror.model.kinds import Collection
from mirror.sync.share.rules import NETCONF, NETCONF_KEY


def take_settings(told: Told, config: Sequence[tuple[str, str, int]]) -> None:
    """Write the settings, keys and texts with their lines, once all are there.  Raises CitadelError."""
    settings = {key: text for key, text, _ in config}
    told.report.node = settings.get("c_nodename", "").strip().lower() or told.report.node
    if not told.report.node:
        raise CitadelError(
            f"{told.source}: no setting c_nodename before line {config[-1][2] if config else 1}, "
            "so it is no MIGR export or a damaged one; give the server's node name with --node"
        )
    if not told.begun:
        _begin_look(told, settings)
    created = next((setting for setting in config if setting[0] == CREATED_KEY), (CREATED_KEY, "", 1))
    told.created = told.in_time(f"line {created[2]}: <config>: {CREATED_KEY}", seconds_stamp(created[1]))
    for key, text, line in config:
        _settle(told, key, text, line)


def _begin_look(told: Told, settings: Mapping[str, str]) -> None:
    node = told.report.node
    told.keys = told.to_be_paired or told.store.read(lambda reader: read_keys(reader, place_of(node), node))
    told.look = Look(told.store, node, paired=told.keys.paired, keys=told.keys.digest)
    told.visits = Visits(told.look.place, told.store)
    told.folders = Folders(told.store, told.look.place)
    told.begun = True
    identity = Identity(settings.get(CREATED_KEY, "").strip(), number_or_zero(settings.get(HIGHEST_KEY, "")))
    told.look.begin(identity, told.accepted.older)
    place = told.look.place
    for kind, key in told.store.read(lambda reader: in_force_elsewhere(reader, place)):
        # That the server does not tell them is no deletion.
        if kind == USERS:
            told.look.has(INBOX_RULES, [key])
        elif kind == ROOMS:
            told.look.has(str(Collection(NETCONF, key)), [NETCONF_KEY])


def _settle(told: Told, key: str, text: str, line: int) -> None:
    told.policies.set(key, text)  # whosever settings stand here, the server throws away by its own
    if key.startswith(NETCONF_SETTING):
        propose(told, key, text, line)
    elif told.keys.paired and not (told.accepted.site_settings and key in SHARED_SETTINGS):
        told.look.has("config", [key])  # those of the server that was here before stand
    elif key.startswith(CONTENT_TYPE_KEY) and (number := number_or_zero(text)):
        told.refer_to(number, "config", key, told.created, line, field="text")
    elif is_own_setting(key):
        told.look.missing.unwant("config", [key])
    elif key:
        told.fields("config", key, {"value": text}, told.created)
