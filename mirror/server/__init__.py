"""What a node offers: its listener, sessions, command table, single-user mode, and the daemon around them."""
