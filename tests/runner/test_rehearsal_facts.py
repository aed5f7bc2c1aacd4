"""What inspect tells the operator for a rehearsal: an address, a URL without a secret, names of variables."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import make_url

from dbmigrations.runner import rehearsal_facts
from dbmigrations.runner.catalogue import Identity
from dbmigrations.runner.config import ConnectionNames

IDENTITY = Identity("id", "shop", "shop_app", "17.2", 17, 1)


def made(url: str, identity: Identity = IDENTITY, host: str = "db.shop.svc") -> str:
    return rehearsal_facts.url(ConnectionNames(url="URL"), {"URL": url}, identity, host, 5433)


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("postgresql://u:secret@db/shop", "postgresql://shop_app:rehearsal@db.shop.svc:5433/shop"),
        ("postgresql+asyncpg://db", "postgresql+asyncpg://shop_app:rehearsal@db.shop.svc:5433/shop"),
        (
            "postgresql+psycopg://u@db/shop?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3&password=secret",
            "postgresql+psycopg://shop_app:rehearsal@db.shop.svc:5433/shop?connect_timeout=3&sslmode=require",
        ),
        (
            "postgresql+asyncpg://u@db/shop?ssl=verify-ca",
            "postgresql+asyncpg://shop_app:rehearsal@db.shop.svc:5433/shop?ssl=require",
        ),
        (
            "postgresql://u@/shop?host=one:1&host=two:2&target_session_attrs=read-write&channel_binding=require",
            "postgresql://shop_app:rehearsal@db.shop.svc:5433/shop?target_session_attrs=read-write",
        ),
        (
            "postgresql://u@db/shop?sslmode=disable&passfile=/secret&sslkey=/key&service=x",
            "postgresql://shop_app:rehearsal@db.shop.svc:5433/shop?sslmode=disable",
        ),
    ],
)
def test_the_url_keeps_what_is_no_secret(written, given):
    assert make_url(made(written)) == make_url(given)
    assert "secret" not in made(written)


def test_odd_names_survive():
    odd = Identity("id", "Große 'Daten' 100%/?", "r@le:x/y", "17.2", 17, 1)
    url = make_url(made("postgresql+psycopg://u:p@db/x", odd))
    assert (url.database, url.username, url.password) == (odd.database, odd.role, "rehearsal")


def test_a_socket_becomes_an_address():
    assert make_url(made("postgresql:///shop", host="/var/run/postgresql")).host == "localhost"


def test_split_variables_get_a_url_as_well():
    url = rehearsal_facts.url(ConnectionNames(host="H"), {"H": "db"}, IDENTITY, "db", 5432)
    assert url == "postgresql://shop_app:rehearsal@db:5432/shop"


@pytest.mark.server
def test_inspect_tells_them(pg, database, job):
    job.variables |= {
        "DBM_SECRET_0_API_TOKEN": "token-of-the-api",
        "DBM_SECRET_12_APP_DATABASE_URL": job.url,
        "DBM_SECRET_1_API_TOKEN": "another",
        "DBM_SECRET_0_PGPASSWORD": "wrong",
    }
    outcome = job.run("inspect", store=None)
    facts = outcome.succeeded()
    assert facts["address"] == {"host": "127.0.0.1", "hostaddr": "127.0.0.1", "port": pg.port}
    assert facts["secretNames"] == ["API_TOKEN", "APP_DATABASE_URL", "PGPASSWORD"]
    assert make_url(facts["rehearsal"]["url"]).password == "rehearsal"
    assert "token-of-the-api" not in outcome.log
    assert len(outcome.raw) <= 2048


@pytest.mark.server
def test_many_secrets_are_cut_and_say_so(pg, database, job):
    job.variables |= {f"DBM_SECRET_0_KEY_{number:02}": "x" for number in range(60)}
    facts = job.run("inspect", store=None).succeeded()
    assert facts["secretNamesMore"] + len(facts["secretNames"]) == 60


@pytest.mark.server
def test_copies_of_secrets_are_known_to_the_redactor(pg, database, job):
    job.variables |= {"DBM_SECRET_0_A": "no_such_secret_database", "DBM_SECRET_0_B": "127.0.0.1"}
    job.url = pg.url("no_such_secret_database_x")
    outcome = job.run("inspect", store=None)
    assert "no_such_secret_database" not in json.dumps(outcome.failed_with("DatabaseNotFound"))
    # The address stays readable although it is in a Secret as well.
    assert "no_such_secret" not in outcome.log
