"""A node's configuration: mirror.toml, and secrets.toml beside it.  Knows no sockets."""
