"""Messages from a seed, written into a store as a bootstrap finds them."""

import random

from exports import message_bytes

from mirror.model.record import Record
from mirror.store.base import Store

ROOMS = 10


def sizes(kind: str, count: int, chance: random.Random) -> list[int]:
    """Return body sizes: all 2 KB, or mixed as the Maildirs that other tools are measured with."""
    if kind in ("tiny", "small"):
        return [100 if kind == "tiny" else 2048] * count
    bands = ((0.70, 1, 8), (0.90, 8, 64), (0.99, 64, 512), (1.0, 1024, 4096))
    made = []
    for _ in range(count):
        draw = chance.random()
        _, low, high = next(band for band in bands if draw <= band[0])
        made.append(chance.randint(low * 1024, high * 1024))
    return made


def fill(store: Store, kind: str, count: int) -> int:
    """Write messages into a store; returns their bytes."""
    chance = random.Random(980)
    total = 0
    group: list[tuple[Record, bytes]] = []
    for number, size in enumerate(sizes(kind, count, chance), 1):
        body = message_bytes(number, size, chance)
        total += len(body)
        record = Record(
            f"messages/big:{number % ROOMS}", f"id:{number:08X}@big", (1_700_000_000_000 + number) << 16, "big", 1
        )
        group.append((record, body))
        if len(group) == 1000 or number == count:
            store.write(lambda writer, group=group: writer.apply([writer.store_body(r, b) for r, b in group]))
            group = []
    return total
