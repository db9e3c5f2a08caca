"""Names that stand in a MIGR export, or for what it has: shared by who reads one and who writes one."""

CONTENT_TYPE_KEY = "application/x-citadel-"
"""Config keys that begin so hold the number of the message whose text is the setting."""
USER_SETTINGS, ORPHANS = "user-settings", "orphans"
CREATED_KEY = "c_config_created_or_migrated"
"""The setting that says when the server was set up: the time of everything that has none of its own."""
