"""Where records are kept: what a store promises (base), and SQLite (the default).  Knows no sockets, no peers."""
