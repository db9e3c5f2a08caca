"""A server's MIGR export: read into a store, put together from answers, and written for a server that imports it."""
