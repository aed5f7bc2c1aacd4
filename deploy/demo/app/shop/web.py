"""The HTTP interface.

Handlers are plain functions: Starlette runs them in threads, so a slow query holds up nobody else.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop import schema, settings
from shop.database import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection, Engine
    from starlette.requests import Request


EXAMPLE = '{"email": "ada@example.org", "sku": "SKU-0001", "quantity": 1}'


class Release(Protocol):
    """What a release module offers; each knows one schema."""

    def orders(self, connection: Connection, limit: int) -> list[dict[str, Any]]:
        """Return the newest orders."""

    def place(self, connection: Connection, order: Order) -> dict[str, Any] | None:
        """Store an order and return it, or None if the product does not exist."""

    def customer(self, connection: Connection, email: str) -> dict[str, Any] | None:
        """Return a customer with the number and the sum of the orders, or None."""


@dataclass(frozen=True)
class Order:
    """An order as a customer sends it."""

    email: str
    sku: str
    quantity: int


class BadOrderError(ValueError):
    """The request is not an order; the text says what is wrong."""


release = cast("Release", import_module(f"shop.release_{settings.major()}"))


def index(_: Request) -> Response:
    return JSONResponse({"service": "shop", "release": settings.version(), "schema": sorted(schema.wanted())})


def healthz(_: Request) -> Response:
    """Tell that the process runs. Nothing about the database: a restart would not bring that back."""
    return JSONResponse({"status": "alive"})


def readyz(request: Request) -> Response:
    """Tell whether requests can be served: the database answers and has this release's schema."""
    try:
        with _engine(request).connect() as connection:
            schema.check(connection)
    except schema.WrongSchemaError as error:
        return _not_ready("connected", str(error))
    except SQLAlchemyError as error:
        return _not_ready("unreachable", _reason(error))
    return JSONResponse({"status": "ready", "database": "connected"})


def list_orders(request: Request) -> Response:
    limit = request.query_params.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
        return JSONResponse({"error": "limit must be a number from 1 to 1000"}, status_code=400)
    with _engine(request).connect() as connection:
        schema.check(connection)
        return JSONResponse({"orders": release.orders(connection, int(limit))})


async def create_order(request: Request) -> Response:
    try:
        order = parse_order(await request.body())
    except BadOrderError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    return await run_in_threadpool(_store, request, order)


def show_customer(request: Request) -> Response:
    with _engine(request).connect() as connection:
        schema.check(connection)
        customer = release.customer(connection, request.path_params["email"])
    if customer is None:
        return JSONResponse({"error": "there is no such customer"}, status_code=404)
    return JSONResponse(customer)


def parse_order(body: bytes) -> Order:
    """Read an order from JSON; raise BadOrderError where it is not one."""
    try:
        raw = json.loads(body)
    except ValueError as error:
        raise BadOrderError("the body is not JSON") from error
    match raw:
        case {"email": str(email), "sku": str(sku), "quantity": int(quantity)}:
            if "@" in email and 1 <= quantity <= 1000:
                return Order(email=email, sku=sku, quantity=quantity)
    raise BadOrderError(
        'an order looks like {"email": "ada@example.org", "sku": "SKU-0001", "quantity": 1} (at most 1000)'
    )


def _store(request: Request, order: Order) -> Response:
    with _engine(request).begin() as connection:
        schema.check(connection)
        stored = release.place(connection, order)
    if stored is None:
        return JSONResponse({"error": f"there is no product {order.sku}"}, status_code=404)
    return JSONResponse(stored, status_code=201)


def _not_ready(database: str, reason: str) -> Response:
    return JSONResponse({"status": "not ready", "database": database, "reason": reason}, status_code=503)


def _engine(request: Request) -> Engine:
    return cast("Engine", request.app.state.engine)


def _reason(error: SQLAlchemyError) -> str:
    """Return the driver's own first line: it names host and cause, and no password."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


async def _unavailable(_: Request, error: Exception) -> Response:
    reason = _reason(error) if isinstance(error, SQLAlchemyError) else str(error)
    return JSONResponse({"error": "the shop is closed for the moment", "reason": reason}, status_code=503)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.engine = connect()
    yield
    app.state.engine.dispose()  # sessions end with the Pod, not when the server notices


app = Starlette(
    routes=[
        Route("/", index),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/orders", list_orders, methods=["GET"]),
        Route("/orders", create_order, methods=["POST"]),
        Route("/customers/{email}", show_customer),
    ],
    exception_handlers={schema.WrongSchemaError: _unavailable, SQLAlchemyError: _unavailable},
    lifespan=_lifespan,
)
