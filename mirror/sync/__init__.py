"""The engine: what two nodes say to each other to become equal, and what they do with it.  No sockets, no greenlets."""
