"""The line protocol and its binary batches, sans-I/O.  docs/protocol.md is its contract."""
