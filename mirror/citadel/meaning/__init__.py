"""What a Citadel server means by what it says, and what its own rules are; no server is asked here."""
