"""Citadel's own formats: messages, names, keys, seen sets, MIGR elements; bytes in, values out.

No I/O, no clock, no store: what is read from a server, a file or a record is handed in.
"""
