"""Links to other nodes: connections, authentication, supervision.  Green threads begin here."""
