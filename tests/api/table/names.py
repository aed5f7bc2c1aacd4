"""Names and keys of objects, wherever the definition asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.api.manifests import GONE, Patch
from tests.api.table.rows import REQUIRED, Builder, Row, optional, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = (
    "write the name of an object of this namespace, without its kind or namespace; lower-case letters, digits, - and . "
    "are allowed in it"
)
NOT_NAMES = ("", "Shop", "shop_api", "-shop", "shop-", "shop..api", "deployment/shop", "shop api", " shop", "schön")
KEY = "write one key; letters, digits, -, _ and . are allowed in it"


def env_from(value: Any) -> Patch:
    return {"migration.env": [{"name": "A", "valueFrom": value}]}


NAMES: dict[str, Builder] = {
    "migration.podFrom.name": lambda name: {"migration.podFrom.name": name},
    "migration.env[0].valueFrom.secretKeyRef.name": lambda n: env_from({"secretKeyRef": optional(name=n, key="k")}),
    "migration.env[0].valueFrom.configMapKeyRef.name": lambda n: env_from(
        {"configMapKeyRef": optional(name=n, key="k")}
    ),
    "migration.envFrom[0].secretRef.name": lambda name: {"migration.envFrom": [{"secretRef": optional(name=name)}]},
    "migration.envFrom[0].configMapRef.name": lambda name: {
        "migration.envFrom": [{"configMapRef": optional(name=name)}]
    },
    "migration.imagePullSecrets[0].name": lambda name: {"migration.imagePullSecrets": [optional(name=name)]},
    "workloads[0].name": lambda name: {"workloads": [optional(kind="Deployment", name=name)]},
    "backup.s3.credentialsFrom.secretRef.name": lambda n: {
        "backup.s3.credentialsFrom": {"secretRef": optional(name=n)}
    },
    "backup.s3.caFrom.secretKeyRef.name": lambda n: {"backup.s3.caFrom": {"secretKeyRef": optional(name=n, key="k")}},
    "backup.s3.caFrom.configMapKeyRef.name": lambda n: {
        "backup.s3.caFrom": {"configMapKeyRef": optional(name=n, key="k")}
    },
}
KEYS: dict[str, Builder] = {
    "migration.env[0].valueFrom.secretKeyRef.key": lambda key: env_from({"secretKeyRef": optional(name="n", key=key)}),
    "migration.env[0].valueFrom.configMapKeyRef.key": lambda key: env_from(
        {"configMapKeyRef": optional(name="n", key=key)}
    ),
    "backup.s3.caFrom.secretKeyRef.key": lambda key: {
        "backup.s3.caFrom": {"secretKeyRef": optional(name="n", key=key)}
    },
    "backup.s3.caFrom.configMapKeyRef.key": lambda k: {
        "backup.s3.caFrom": {"configMapKeyRef": optional(name="n", key=k)}
    },
}


def names() -> Iterator[Row]:
    for field, build in NAMES.items():
        yield build(GONE), field, REQUIRED
        yield build(too_long(253)[0]), field, too_long(253)[1]
        for name in NOT_NAMES:
            yield build(name), field, NAME
    for field, build in KEYS.items():
        yield build(GONE), field, REQUIRED
        yield build(too_long(253)[0]), field, too_long(253)[1]
        for key in ("", "a/b", "a b", "a:b"):
            yield build(key), field, KEY
