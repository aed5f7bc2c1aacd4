"""The demonstration's application on a real PostgreSQL: what it serves, what it refuses, what a migration keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.demo.conftest import run_python

if TYPE_CHECKING:
    from tests.demo.conftest import Client, Shop

pytestmark = pytest.mark.server

READY = (200, {"status": "ready", "database": "connected"})


def order(client: Client, email: str, sku: str = "SKU-0001", quantity: int = 2) -> None:
    status, body = client.post("/orders", json.dumps({"email": email, "sku": sku, "quantity": quantity}).encode())
    assert status == 201, body


def reason(client: Client) -> str:
    """Return why the application is not ready; fail if it is."""
    status, body = client.get("/readyz")
    assert status == 503
    return str(body["reason"])


def test_each_release_is_ready_on_its_own_schema_only(release_1: Shop, release_2: Shop) -> None:
    release_1.alembic("upgrade", "heads")
    with release_1.serving() as one, release_2.serving() as two:
        assert one.get("/readyz") == READY
        assert reason(two) == "the schema is at 0005_stock, which is too old; shop 2.0.0 needs 0011_totals"
        release_2.alembic("upgrade", "heads")
        assert reason(one) == (
            "the schema is at 0011_totals, which this release does not know; shop 1.0.0 needs 0005_stock"
        )
        assert two.get("/readyz") == READY
        assert one.get("/orders")[0] == 503
        assert two.get("/orders") == (200, {"orders": []})


def test_a_database_without_a_schema_is_said_to_have_none(release_1: Shop) -> None:
    with release_1.serving() as shop:
        assert reason(shop) == "the database has no schema yet; shop 1.0.0 needs 0005_stock"
        assert shop.get("/healthz") == (200, {"status": "alive"})


def test_an_unreachable_database_makes_it_unready_but_not_dead(release_1: Shop) -> None:
    away = type(release_1)("1.0.0", release_1.folder, "postgresql+psycopg://shop:hunter2secret@127.0.0.1:1/shop")
    with away.serving() as shop:
        status, body = shop.get("/readyz")
        assert (status, body["database"]) == (503, "unreachable")
        assert "hunter2secret" not in json.dumps(body)
        assert shop.get("/healthz")[0] == 200


def test_orders_survive_the_upgrade_and_the_way_back(release_1: Shop, release_2: Shop) -> None:
    release_1.alembic("upgrade", "heads")
    assert release_1.seed("--rows", "500").returncode == 0
    with release_1.serving() as shop:
        order(shop, "ada@example.org", quantity=3)
        before = shop.get("/orders?limit=1000")
        assert shop.get("/customers/ada@example.org")[1]["total"] == "19.11"
    release_2.alembic("upgrade", "heads")
    with release_2.serving() as shop:
        _, after = shop.get("/orders?limit=1000")
        assert shop.get("/customers/ada@example.org")[1] == {
            "email": "ada@example.org", "name": "ada", "orders": 1, "totalCents": 1911,
        }  # fmt: skip
    assert [f"{each['totalCents'] / 100:.2f}" for each in after["orders"]] == [
        each["total"] for each in before[1]["orders"]
    ]
    release_2.alembic("downgrade", "0005_stock")
    with release_1.serving() as shop:
        assert shop.get("/orders?limit=1000") == before


def test_both_releases_take_orders(release_1: Shop, release_2: Shop) -> None:
    for release in (release_1, release_2):
        release.alembic("upgrade", "heads")
        if release is release_1:
            assert release.seed("--rows", "10").returncode == 0
        with release.serving() as shop:
            order(shop, "grace@example.org")
    with release_2.serving() as shop:
        assert shop.get("/customers/grace@example.org")[1]["orders"] == 2
        assert shop.post("/orders", b'{"email": "a@b", "sku": "none", "quantity": 1}')[0] == 404


def test_what_is_not_an_order_is_refused_with_an_example(release_1: Shop) -> None:
    bodies = [
        b"",
        b"[]",
        b'{"email": "a", "sku": "s", "quantity": 1}',
        b'{"email": "a@b", "sku": "s", "quantity": 0}',
        b'{"email": "a@b"}',
    ]
    with release_1.serving() as shop:
        for body in bodies:
            status, answer = shop.post("/orders", body)
            assert status == 400, body
            assert "JSON" in answer["error"] or "SKU-0001" in answer["error"]


def test_seeding_again_adds_only_what_is_missing(release_1: Shop) -> None:
    release_1.alembic("upgrade", "heads")
    assert "300 orders" in release_1.seed("--rows", "300").stdout
    assert "300 orders of" in release_1.seed("--rows", "300").stdout
    assert "400 orders" in release_1.seed("--rows", "400").stdout


def test_another_releases_schema_is_not_seeded(release_2: Shop) -> None:
    release_2.alembic("upgrade", "heads")
    done = release_2.seed("--rows", "10")
    assert done.returncode == 1
    assert "The database is at 0011_totals" in done.stderr
    assert "alembic upgrade 0005_stock" in done.stderr


def test_a_missing_url_is_named(release_1: Shop) -> None:
    done = run_python("-m", "shop.seed", cwd=release_1.folder)
    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stderr
