"""Talking to a running Citadel server: its own protocol, its IMAP, and what it answers, read."""
