"""The real Citadel: its message format, its MIGR export, its client protocol.  Everything here follows recordings."""
