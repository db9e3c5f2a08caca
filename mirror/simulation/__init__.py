"""The engine under every fault we can think of: many nodes in one process, virtual time, one seed decides all."""
