"""What `spec.migration` refuses, but for names and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.manifests import GONE
from tests.api.table.names import NAME, NOT_NAMES, env_from
from tests.api.table.rows import KINDS, REQUIRED, Row, at, members, numbered, too_long, too_many, within

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "write the name of a variable, as DATABASE_URL, not its value and without a $"
VARIABLES = ("url", "host", "port", "user", "password", "database")
NOT_VARIABLES = ("", "$DATABASE_URL", "${DATABASE_URL}", "$(DATABASE_URL)", "1A", "A B", "postgresql://u:p@db/shop")
ONE_WAY = (
    "name the connection in one way: either url (a variable that holds a URL), or host with port, user, "
    "password, database"
)
ONLY_URL = "with url, leave out port, user, password and database: they stand in the URL"

IMAGE = (
    "write an image as shop:1.5.0, registry.example/team/shop:1.5.0 or shop@sha256:…, in lower case, without a scheme "
    "or spaces"
)
RELATIVE = (
    "relative targets (+1, -1, ae10+2) mean something else at every run, and no revision id has + or - in it: name a "
    "full revision id, heads, head or label@head"
)
BASE = "base would remove everything, and this is an upgrade: name a full revision id, heads, head or label@head"
ONE_VERSION = "name one version: a full revision id, heads, head or label@head, without spaces or ranges (a:b)"
PROGRAM = (
    "the first item is the program alone, its arguments are items of their own: write [alembic, upgrade, head], or "
    '[sh, -c, "…"] if a shell shall run it'
)
EXCLUDE = "value and valueFrom exclude each other: remove one of the two"
ONE_OF_FOUR = "name exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef"
EITHER_REF = "name either secretRef or configMapRef"
QUANTITY = "write an amount that is not negative, as 100m, 2, 128Mi or 1Gi"
LABEL_NAME = (
    "write a label's name of at most 63 letters, digits, -, _ and ., with a letter or digit at both ends; a domain and "
    "/ may stand before it"
)
LABEL_VALUE = "write a label's value of at most 63 letters, digits, -, _ and ., with a letter or digit at both ends"
OURS = "labels under dbmigrations.dev/ and app.kubernetes.io/managed-by belong to the operator; remove them"
TABLE = "write table or schema.table, as they are in the database and without quotes; each has at most 63 characters"


def migration() -> Iterator[Row]:
    yield from at("migration", (GONE, REQUIRED))
    yield from at("migration.podFrom", (GONE, REQUIRED))
    yield from at("migration.podFrom.kind", (GONE, REQUIRED), ("Pod", f'Unsupported value: "Pod": {KINDS}'))
    yield from at("migration.podFrom.container", too_long(63))
    yield from at("migration.image", (GONE, REQUIRED), too_long(500))
    wrong = (
        "",
        "Shop:1",
        "shop:",
        "shop 1",
        " shop",
        "https://registry/shop:1",
        "docker://shop",
        "shop@sha256:abc",
        "a//",
        ":1",
    )
    yield from at("migration.image", *((image, IMAGE) for image in wrong))
    policies = 'Unsupported value: "always": supported values: "IfNotPresent", "Always", "Never"'
    yield from at("migration.imagePullPolicy", ("always", policies))
    yield from at("migration.target", too_long(128), (5, 'must be of type string: "integer"'))
    yield from at("migration.target", *((target, RELATIVE) for target in ("+1", "-1", "ae10+2", "shop@head-1", "+")))
    yield from at("migration.target", *((target, BASE) for target in ("base", "shop@base")))
    wrong = ("", " ", " heads", "heads ", "a b", "a:b", "heads:", "@head", "shop@", "a@b@head", "a\nb")
    yield from at("migration.target", *((target, ONE_VERSION) for target in wrong))
    yield from at("migration.command", ([], "should have at least 1 items"), (["sh"] * 65, too_many(64)))
    yield from at("migration.command", ("alembic upgrade head", 'must be of type array: "string"'))
    yield from at("migration.command", *((words, PROGRAM) for words in (["alembic upgrade head"], [""], [" "])))
    yield from within("migration.command", (["sh", too_long(4096)[0]], "[1]", too_long(4096)[1]))
    yield from at("migration.workingDir", ("srv", "write an absolute path, as /srv/shop"), too_long(4096))
    yield from environment()
    yield from placement()
    yield from connection()
    wrong = ("", "a.b.c", "public.", ".versions", '"public".versions', "my versions", "a" * 64, f"a.{'b' * 64}")
    yield from at("migration.versionTable", too_long(127), *((table, TABLE) for table in wrong))
    few, many = "should be greater than or equal to 0", "should be less than or equal to 20"
    yield from at("migration.lockRetries", (-1, few), (21, many), (1.5, 'must be of type integer: "number"'))


def environment() -> Iterator[Row]:
    env, source = "migration.env", "[0].valueFrom"
    yield from within(
        env,
        (numbered(129), "", too_many(128)),
        ([{"name": "A"}, {"name": "A"}], "[1]", 'Duplicate value: {"name":"A"}'),
        ([{"value": "1"}], "[0].name", REQUIRED),
        ([{"name": ""}], "[0].name", "should be at least 1 chars long"),
        ([{"name": too_long(256)[0]}], "[0].name", too_long(256)[1]),
        ([{"name": "A=1"}], "[0].name", "the name and the value are two fields: {name: A, value: b}"),
        ([{"name": "DBM_CONFIG"}], "[0].name", "names that begin with DBM_ belong to the operator; choose another one"),
        ([{"name": "A", "value": too_long(32768)[0]}], "[0].value", too_long(32768)[1]),
        ([{"name": "A", "value": True}], "[0].value", 'must be of type string: "boolean"'),
        ([{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}], "[0]", EXCLUDE),
        ([{"name": "A", "valueFrom": {}}], source, ONE_OF_FOUR),
    )
    two = {"secretKeyRef": {"name": "n", "key": "k"}, "configMapKeyRef": {"name": "n", "key": "k"}}
    yield env_from(two), f"{env}{source}", ONE_OF_FOUR
    for name, member, limit in (("fieldRef", "fieldPath", 512), ("resourceFieldRef", "resource", 253)):
        place = f"{env}{source}.{name}.{member}"
        yield env_from({name: {}}), place, REQUIRED
        yield env_from({name: {member: ""}}), place, "should be at least 1 chars long"
        yield env_from({name: {member: too_long(limit)[0]}}), place, too_long(limit)[1]
    for name, member, rest in (
        ("fieldRef", "apiVersion", {"fieldPath": "a"}),
        ("resourceFieldRef", "containerName", {"resource": "a"}),
    ):
        yield env_from({name: {**rest, member: too_long(63)[0]}}), f"{env}{source}.{name}.{member}", too_long(63)[1]
    divisor = {"resourceFieldRef": {"resource": "a", "divisor": too_long(32)[0]}}
    yield env_from(divisor), f"{env}{source}.resourceFieldRef.divisor", too_long(32)[1]
    secret, config = {"secretRef": {"name": "a"}}, {"configMapRef": {"name": "a"}}
    yield from within(
        "migration.envFrom",
        ([secret] * 33, "", too_many(32)),
        ([{}], "[0]", EITHER_REF),
        ([{**secret, **config}], "[0]", EITHER_REF),
        ([{**secret, "prefix": too_long(256)[0]}], "[0].prefix", too_long(256)[1]),
    )


def placement() -> Iterator[Row]:
    for kind in ("requests", "limits"):
        path = f"migration.resources.{kind}"
        yield from within(path, (members(17), "", too_many(16)), ({"cpu": too_long(32)[0]}, ".cpu", too_long(32)[1]))
        amounts = ("", "12 Gigabyte", "1GB", "-1", -1, "many")
        yield from within(path, *(({"memory": amount}, "[memory]", QUANTITY) for amount in amounts))
    yield from at("migration.serviceAccountName", too_long(253), *((n, NAME) for n in NOT_NAMES if n))
    secrets = [{"name": "a"}, {"name": "a"}]
    yield from within("migration.imagePullSecrets", (secrets, "[1]", 'Duplicate value: {"name":"a"}'))
    yield from within("migration.imagePullSecrets", (numbered(17), "", too_many(16)))
    for path in ("migration.nodeSelector", "migration.labels"):
        yield from within(path, (members(33), "", too_many(32)), ({"a": too_long(63)[0]}, ".a", too_long(63)[1]))
        yield from within(path, ({"a": True}, ".a", 'must be of type string: "boolean"'))
        wrong = ("", "a b", "-a", "/a", "A.com/a", "a/b/c", "a" * 64)
        yield from at(path, *(({name: "b"}, LABEL_NAME) for name in wrong))
        yield from at(path, *(({"a": value}, LABEL_VALUE) for value in ("a b", "-a", "a/b", "schön")))
    ours = ("dbmigrations.dev/run", "app.kubernetes.io/managed-by")
    yield from at("migration.labels", *(({name: "a"}, OURS) for name in ours))
    effects = 'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
    yield from within(
        "migration.tolerations",
        ([{}] * 33, "", too_many(32)),
        ([{"key": too_long(316)[0]}], "[0].key", too_long(316)[1]),
        ([{"value": too_long(63)[0]}], "[0].value", too_long(63)[1]),
        ([{"operator": "exists"}], "[0].operator", 'Unsupported value: "exists": supported values: "Equal", "Exists"'),
        ([{"effect": "No"}], "[0].effect", f'Unsupported value: "No": {effects}'),
    )


def connection() -> Iterator[Row]:
    path = "migration.connectionEnv"
    yield from at(path, (GONE, REQUIRED), ({}, ONE_WAY), ({"url": "A", "host": "B"}, ONE_WAY), ({"port": "A"}, ONE_WAY))
    yield from at(path, *(({"url": "A", name: "B"}, ONLY_URL) for name in VARIABLES[2:]))
    for name in VARIABLES:
        rest = {} if name in {"url", "host"} else {"host": "H"}
        yield from within(path, ({**rest, name: too_long(256)[0]}, f".{name}", too_long(256)[1]))
        yield from within(path, *(({**rest, name: text}, f".{name}", VARIABLE) for text in NOT_VARIABLES))
        yield from within(path, ({**rest, name: 5432}, f".{name}", 'must be of type string: "integer"'))
