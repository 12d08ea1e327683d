"""What a schema is, in values that can be compared: independent of how it came about."""

from sqlalchemy import inspect


def picture(c):
    """Columns, keys, checks, indexes and triggers of every table, without their order."""
    found = inspect(c)
    tables = {
        table: {
            "columns": {
                column["name"]: (
                    str(column["type"]),
                    getattr(column["type"], "collation", None),
                    column["nullable"],
                    column["default"],
                )
                for column in found.get_columns(table)
            },
            "key": found.get_pk_constraint(table),
            "references": _sorted(found.get_foreign_keys(table)),
            "unique": _sorted(found.get_unique_constraints(table)),
            "checks": _sorted(found.get_check_constraints(table)),
            "indexes": _sorted(found.get_indexes(table)),
        }
        for table in found.get_table_names()
    }
    return {"tables": tables, "programs": sorted(c.exec_driver_sql(_PROGRAMS[c.dialect.name]).scalars())}


_PROGRAMS = {
    # Triggers as they were written, and whether ids are given twice, which a table's own text alone says.
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'trigger' "
    "UNION ALL SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'",
    "postgresql": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
    "UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}


def _sorted(things):
    return sorted(things, key=lambda thing: thing["name"])
