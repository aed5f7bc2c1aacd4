"""What the rest of the specification refuses: workloads, sessions, resume, probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.api.manifests import GONE, Patch
from tests.api.table.migration import IMAGE, TABLE
from tests.api.table.rows import KINDS, REQUIRED, Row, at, members, numbered, too_long, too_many, within

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = (
    "write the name of a Service of this namespace alone, without a domain, port or scheme; lower-case letters, digits "
    "and - are allowed in it"
)
PATH = "write a path that begins with /, as /readyz, without spaces or #"
OURS = "names that begin with DBM_ belong to the operator; choose another one"
NEVER = (
    "the probe could never succeed: so many successes, an interval apart, take longer; write a longer timeout, fewer "
    "successes or a shorter interval"
)


def probe() -> Iterator[Row]:
    def http(**changes: Any) -> Patch:
        return {"probe.http": {"service": "shop", "port": 80, **changes}}

    yield {"probe.http": {"port": 80}}, "probe.http.service", REQUIRED
    yield {"probe.http": {"service": "shop"}}, "probe.http.port", REQUIRED
    wrong = (
        "",
        "shop.other",
        "shop.other.svc.cluster.local",
        "http://shop",
        "shop:80",
        "shop/",
        "Shop",
        "-shop",
        "169.254.169.254",
        "shop#",
    )
    for service in wrong:
        yield http(service=service), "probe.http.service", SERVICE
    yield http(service=too_long(63)[0]), "probe.http.service", too_long(63)[1]
    for port, words in ((0, "greater than or equal to 1"), (65536, "less than or equal to 65535")):
        yield http(port=port), "probe.http.port", f"should be {words}"
    yield http(port="http"), "probe.http.port", 'must be of type integer: "string"'
    for path in ("", "readyz", "http://other/", "/a b", "/a#b", " /a"):
        yield http(path=path), "probe.http.path", PATH
    yield http(path=too_long(1024)[0]), "probe.http.path", too_long(1024)[1]
    for status, words in ((199, "greater than or equal to 200"), (600, "less than or equal to 599")):
        yield http(status=status), "probe.http.status", f"should be {words}"
    yield http(expectJSON=members(33)), "probe.http.expectJSON", too_many(32)
    for value, kind in (([], "array"), ("{}", "string"), (True, "boolean")):
        yield http(expectJSON=value), "probe.http.expectJSON", f'must be of type object: "{kind}"'
    yield from at("probe.successes", (0, "should be greater than or equal to 1"))
    yield from at("probe.successes", (101, "should be less than or equal to 100"))
    yield {"probe.interval": "5m"}, "probe.timeout", NEVER
    yield {"probe.successes": 100, "probe.interval": "1m", "probe.timeout": "99m"}, "probe.timeout", NEVER


def rehearsal() -> Iterator[Row]:
    skip = "image, env and dataOf have no meaning with mode: Skip; remove them, or the mode"
    for field, value in (("image", "postgres:17"), ("env", []), ("dataOf", ["a"])):
        yield {"rehearsal": {"mode": "Skip", field: value}}, "rehearsal", skip
    yield from at("rehearsal.mode", ("Maybe", 'Unsupported value: "Maybe": supported values: "Required", "Skip"'))
    for image in ("", "Postgres:17", "https://registry.example/postgres:17", "postgres: 17"):
        yield {"rehearsal.image": image}, "rehearsal.image", IMAGE
    yield from at("rehearsal.image", too_long(500))
    yield from within(
        "rehearsal.env",
        ([{"name": "A"}], "[0].value", REQUIRED),
        ([{"value": "A"}], "[0].name", REQUIRED),
        ([{"name": "", "value": "A"}], "[0].name", "should be at least 1 chars long"),
        ([{"name": too_long(256)[0], "value": "A"}], "[0].name", too_long(256)[1]),
        ([{"name": "A", "value": too_long(32768)[0]}], "[0].value", too_long(32768)[1]),
        ([{"name": "A=b", "value": ""}], "[0].name", "the name and the value are two fields: {name: A, value: b}"),
        (
            [{"name": "DBM_TARGET", "value": ""}],
            "[0].name",
            "names that begin with DBM_ belong to the operator; choose another one",
        ),
        ([{"name": "A", "value": "1"}] * 2, "[1]", 'Duplicate value: {"name":"A"}'),
        (numbered(129, value="1"), "", too_many(128)),
    )
    yield from within(
        "rehearsal.dataOf",
        ([f"t{number}" for number in range(65)], "", too_many(64)),
        (["a", "a"], "[1]", 'Duplicate value: "a"'),
        (["a.b.c"], "[0]", TABLE),
        ([f"{'s' * 64}.{'t' * 63}"], "[0]", too_long(127)[1]),
        (['"a"'], "[0]", TABLE),
        ([""], "[0]", TABLE),
    )


def others() -> Iterator[Row]:
    yield {"spec": GONE}, "", REQUIRED
    yield {"spec": None}, "", REQUIRED
    yield from at("workloads", (GONE, REQUIRED), ([], "should have at least 1 items"))
    yield from within(
        "workloads",
        (numbered(33, kind="Deployment"), "", too_many(32)),
        (numbered(1, kind="Deployment") * 2, "[1]", 'Duplicate value: {"kind":"Deployment","name":"n0"}'),
        ([{"name": "a"}], "[0].kind", REQUIRED),
        ([{"name": "a", "kind": "DaemonSet"}], "[0].kind", f'Unsupported value: "DaemonSet": {KINDS}'),
    )
    online = 'Unsupported value: "online": supported values: "Downtime", "Online"'
    yield from at("strategy", ("online", online))
    yield from at("dryRun", ("yes", 'must be of type boolean: "string"'))
    yield from rehearsal()
    yield from within(
        "sessions.ignore",
        ([f"a{number}" for number in range(33)], "", too_many(32)),
        (["a", "a"], "[1]", 'Duplicate value: "a"'),
        ([""], "[0]", "should be at least 1 chars long"),
        ([too_long(63)[0]], "[0]", too_long(63)[1]),
    )
    yield from at("resume.mode", ("None", 'Unsupported value: "None": supported values: "SetImage", "Scale"'))
    yield from at("retryToken", too_long(128), (5, 'must be of type string: "integer"'))
