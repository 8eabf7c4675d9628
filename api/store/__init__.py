"""The store: one module per concept of the database, and the only modules with SQL.

Functions take the session (or, on the hot path, the connection) of the caller's transaction.
Every read for a person is filtered by the owner's key: other people's objects do not exist.
"""
