"""How a database of an earlier release becomes one of this release: alembic, with what ships in this folder.

A migration is a file `versions/NNNN_what.py`, written by hand and never changed once it was released: it imports no
table of ours, for those go on changing. `schema.HEAD` names the last one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from pipeline.errors import SettingsError
from pipeline.storage.locks import Lock, hold

FOLDER: Final = Path(__file__).parent


def upgrade(c: Connection, revision: str = "head") -> None:
    """Brings the database to `revision`, within the transaction of `c`. Raises `SettingsError` (`database_too_new`)."""
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = c
    hold(c, Lock.MIGRATIONS)
    found = MigrationContext.configure(c).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SettingsError(
            f"The database is of a later release of Mouthpiece: its schema is {found!r}.",
            code="database_too_new",
            field="storage",
            accepted=f"a database whose schema is one of {', '.join(sorted(known))}, or that later release",
        )
    command.upgrade(config, revision)
    if c.dialect.name == "sqlite" and (lost := c.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise SettingsError(f"A migration would leave rows of {lost[0]} without their job.", code="migration_failed")
