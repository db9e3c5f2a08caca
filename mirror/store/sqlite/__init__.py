"""The default store: one SQLite file.  Tables and transactions; the rules of writing are the ledger's."""
