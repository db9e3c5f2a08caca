"""Sharing single rooms with a node that is no mirror: what travels, which rooms belong together, under whose names.

Each side shares its own room under its own rule; the two rooms have ids, names and rules of their own.  Who dials
translates: the side that answers speaks of its own rooms alone, so all that it reads, digests included, is its own.
A pair's records are compared in the answering side's names, and only the shared rooms are looked at.

``policy`` decides about one record, ``pairs`` about two rooms, ``names`` translates: values in, values out, with the
time as an argument.  ``rules`` reads what is in force from a store; ``exchange`` and ``settling`` are one side's
dealings with one peer.
"""
