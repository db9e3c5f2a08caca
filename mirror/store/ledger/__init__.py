"""The rules of writing, a module for each concern; each knows just those below it, and none knows a backend."""
