"""How far an import of a source has come: it is written with what was taken over, so whoever goes on begins there."""

from mirror.store.base import Store


def place_name(source: str) -> str:
    """Return under which name a store keeps how far the import of a source has come, in bytes."""
    return f"import:{source}"


def place_reached(store: Store, source: str) -> int:
    """Return how far the import of a source has come, in bytes; 0 where it is to begin at its beginning."""
    return store.read(lambda reader: reader.meta_number(place_name(source)))


def forget_place(store: Store, source: str) -> None:
    """Have the next import of a source begin at its beginning."""
    name = place_name(source)
    if store.read(lambda reader: reader.meta_number(name)):
        store.write(lambda writer: writer.set_meta(name, 0))
