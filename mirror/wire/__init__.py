"""The line protocol and its binary batches, sans-I/O: bytes in, values out, and back.  docs/protocol.md is its contract."""
