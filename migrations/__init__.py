"""The versions of the database schema, applied by Alembic."""
