"""What the API keeps in Postgres: one module per concept, the only ones that write SQL.

Functions take the session (or, on the hot path, the connection) of the caller's transaction.
Every read for a person is filtered by the owner's key; what is another's does not exist.
"""
