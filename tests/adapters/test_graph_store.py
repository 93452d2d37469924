from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from agentguard.adapters.sql import database
from agentguard.adapters.sql.database import HEAD, DatabaseTooNewError, DatabaseUnreadableError, open_database, revision_of
from agentguard.adapters.sql.tables import metadata

pytestmark = pytest.mark.anyio


def test_head_is_the_newest_migration():
    scripts = ScriptDirectory(str(files("agentguard.adapters.sql").joinpath("migrations")))

    assert scripts.get_heads() == [HEAD]


async def test_migrations_make_the_tables_that_the_code_uses(tmp_path: Path):
    async with open_database(tmp_path) as base, base.reading() as connection:
        found = await connection.run_sync(
            lambda sync: {name: {column["name"] for column in inspect(sync).get_columns(name)} for name in inspect(sync).get_table_names()}
        )

    expected = {table.name: {column.name for column in table.columns} for table in metadata.sorted_tables}
    assert {name: columns for name, columns in found.items() if name != "alembic_version"} == expected


async def test_a_newer_or_damaged_database_is_refused(tmp_path: Path, monkeypatch):
    async with open_database(tmp_path) as base, base.writing() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseTooNewError, match="9999"):
        async with open_database(tmp_path):
            pass
    (tmp_path / database.FILE_NAME).write_bytes(b"this is no database at all, of that everybody is sure" * 100)
    with pytest.raises(DatabaseUnreadableError):
        async with open_database(tmp_path):
            pass


async def test_an_interrupted_migration_is_done_again(tmp_path: Path, monkeypatch):
    def dies(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("alembic.runtime.migration.MigrationContext._ensure_version_table", dies)
        with pytest.raises(KeyboardInterrupt):
            database.migrate(tmp_path / database.FILE_NAME)
    database.migrate(tmp_path / database.FILE_NAME)

    assert revision_of(tmp_path / database.FILE_NAME) == HEAD
