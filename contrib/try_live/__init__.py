"""A real Citadel server under a mirror: started, filled, changed by seed, and compared with what the mirror holds."""
