"""The application's variables, as they are found in the wild, become one connection."""

from __future__ import annotations

import pytest

from dbmigrations.runner import connection
from dbmigrations.runner.config import ConnectionNames
from dbmigrations.runner.errors import ConfigError

URL = ConnectionNames(url="DATABASE_URL")
PARTS = ConnectionNames(host="DB_HOST", port="DB_PORT", user="DB_USER", password="DB_PASSWORD", database="DB_NAME")
SHOP = {"host": "db", "port": "5432", "user": "shop", "password": "secret", "dbname": "shop"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://shop:secret@db:5432/shop", SHOP),
        ("postgres://shop:secret@db:5432/shop", SHOP),
        ("postgresql+asyncpg://shop:secret@db:5432/shop", SHOP),
        ("postgresql+psycopg://shop:secret@db:5432/shop", SHOP),
        ("postgresql+psycopg2://shop:secret@db:5432/shop\n", SHOP),
        ("postgresql+pg8000://shop:secret@db:5432/shop", SHOP),
        ("postgresql://shop:p%40%25%3A%2F%20%27%22x@db/shop", {**SHOP, "password": "p@%:/ '\"x", "port": None}),
        ("postgresql://shop:a:b/c d'@db/shop", {**SHOP, "password": "a:b/c d'", "port": None}),
        ("postgresql://[::1]:6000/shop", {"host": "::1", "port": "6000", "dbname": "shop"}),
        ("postgresql:///shop?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "shop"}),
        ("postgresql://shop@/shop?host=a:1&host=b:2", {"host": "a,b", "port": "1,2", "user": "shop", "dbname": "shop"}),
        ("postgresql://", {}),
        ("postgresql://db/shop?sslmode=require&x=1", {"host": "db", "dbname": "shop", "sslmode": "require"}),
        ("postgresql+asyncpg://db/shop?ssl=true", {"host": "db", "dbname": "shop", "sslmode": "require"}),
        ("postgresql+asyncpg://db/shop?ssl=verify-full", {"host": "db", "dbname": "shop", "sslmode": "verify-full"}),
        ("postgresql+asyncpg://db/shop?prepared_statement_cache_size=0", {"host": "db", "dbname": "shop"}),
        ("postgresql+asyncpg://db/shop?options=-cx%3Dy", {"host": "db", "dbname": "shop"}),
        (
            "postgresql://db/shop?options=-csearch_path%3Dapp&application_name=web",
            {"host": "db", "dbname": "shop", "options": "-csearch_path=app"},
        ),
    ],
)
def test_urls_become_libpq_keywords(url, expected):
    target = connection.resolve(URL, {"DATABASE_URL": url})
    assert dict(target.params) == {key: value for key, value in expected.items() if value is not None}


def test_the_scheme_is_kept_as_written():
    assert connection.resolve(URL, {"DATABASE_URL": "postgresql+asyncpg://db/shop"}).scheme == "postgresql+asyncpg"


def test_separate_variables_are_taken_as_they_are():
    environ = {"DB_HOST": "db", "DB_PORT": "5432", "DB_USER": "shop", "DB_PASSWORD": " p@%: '\"", "DB_NAME": "shop"}
    target = connection.resolve(PARTS, environ)
    assert dict(target.params) == {**SHOP, "password": " p@%: '\""}


def test_parts_that_are_not_named_are_left_to_libpq():
    assert dict(connection.resolve(ConnectionNames(host="H"), {"H": "db", "PGUSER": "x"}).params) == {"host": "db"}


def test_passwords_are_neither_shown_nor_put_on_a_command_line():
    target = connection.resolve(URL, {"DATABASE_URL": "postgresql://shop:hunter22@db/shop"})
    assert "hunter22" not in repr(target.public_conninfo())
    assert target.public_conninfo() == "host=db user=shop dbname=shop"


@pytest.mark.parametrize(
    ("environ", "names", "reason", "said"),
    [
        ({}, URL, "VariableMissing", "DATABASE_URL is not set"),
        ({"DATABASE_URL": " "}, URL, "VariableMissing", "DATABASE_URL is empty"),
        ({"DB_HOST": "db"}, PARTS, "VariableMissing", "DB_PORT is not set"),
        ({"DATABASE_URL": "mysql://shop:hunter22@db/shop"}, URL, "NotPostgreSQL", "'mysql'"),
        ({"DATABASE_URL": "sqlite:///shop.db"}, URL, "NotPostgreSQL", "'sqlite'"),
        ({"DATABASE_URL": "jdbc:postgresql://db/hunter22"}, URL, "InvalidURL", "not a database URL"),
        ({"DATABASE_URL": "host=db password=hunter22"}, URL, "InvalidURL", "not a database URL"),
        ({"DATABASE_URL": "postgresql://shop:hunter22@db:port/x"}, URL, "InvalidURL", "not a database URL"),
        ({"DATABASE_URL": "postgresql://shop:x@hunter22@db/x"}, URL, "InvalidURL", "more than one @"),
        ({"DATABASE_URL": "postgresql://db/x?sslpassword=hunter22"}, URL, "InvalidURL", "sslpassword"),
        (
            {
                "DB_HOST": "db",
                "DB_PORT": "tcp://10.0.0.1:5432",
                "DB_USER": "a",
                "DB_PASSWORD": "hunter22",
                "DB_NAME": "x",
            },
            PARTS,
            "InvalidURL",
            "DB_PORT is not a port number",
        ),
    ],
)
def test_bad_variables_are_named_and_their_values_are_not(environ, names, reason, said):
    with pytest.raises(ConfigError) as caught:
        connection.resolve(names, environ)
    assert caught.value.reason == reason
    assert said in caught.value.message
    assert "hunter22" not in caught.value.message + caught.value.hint
