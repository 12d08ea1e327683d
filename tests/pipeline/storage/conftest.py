"""Databases of both kinds, empty and of the newest schema."""

import pytest

from pipeline.storage.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/jobs.sqlite"
    else:
        server = request.getfixturevalue("postgres")
        url = server.database()
        yield url
        server.start()  # whatever the test did to it
        server.drop(url)


@pytest.fixture
def database(url):
    database = Database(url)
    database.create()
    yield database
    database.close()
