"""Per-room replication rules and neighbors, IGNET's successor: read, check, write, decide.  Values in, values out.

Knows no store, no wire and no server; of the mirror's layers just ``mirror.model``.
"""
