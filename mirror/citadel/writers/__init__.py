"""What comes from elsewhere is written into a server by these: a module for each kind of thing."""
