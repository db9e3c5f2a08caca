"""A mirror for Citadel servers: nodes that are bootstrapped once and stay equal from then on."""

__version__ = "0.2.0.dev0"
