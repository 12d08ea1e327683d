"""What alembic runs: every migration in the transaction that `upgrade` was called in."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # also on SQLite, since our transactions begin where they should
)
with context.begin_transaction():
    context.run_migrations()
