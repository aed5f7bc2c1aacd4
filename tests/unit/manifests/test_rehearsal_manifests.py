"""The rehearsal's Pod: where its command finds the database, and what of the application it never gets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.making import Json, spec, workload
from tests.unit.manifests.test_manifest_golden import FULL, compare, full, minimal

from dbmigrations.api.run import Attempt, Inspection, Run, Step
from dbmigrations.manifests.jobs import Builder
from dbmigrations.manifests.plan import PIECE_BYTES, config_maps, names_of, plan_name, read_plan
from dbmigrations.manifests.redirect import host_aliases, redirected
from dbmigrations.manifests.runner import Runner, Scratch
from dbmigrations.manifests.source import pod_source
from dbmigrations.manifests.stripped import PLACEHOLDER, stripped_env, stripped_env_from, stripped_files

SEEN = Inspection(
    server_major=17,
    role="shop_app",
    host="db",
    address="10.0.0.5",
    port=5432,
    url="postgresql+asyncpg://shop_app:rehearsal@db:5432/shop?ssl=require",
    secret_names=("SECRET_KEY", "LOG"),
)


def rehearsing(builder: Builder, **seen: Any) -> Builder:
    run = Run(**{**vars(builder.run), "inspection": replace(SEEN, database="shop", **seen)})
    runner = replace(builder.runner, scratch=Scratch({17: "postgres:17"}))
    return Builder(builder.resource, builder.spec, builder.source, run, runner)


def pod_of(builder: Builder) -> Json:
    found: Json = rehearsing(builder).job(Step.REHEARSE, 1)["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("size", ["minimal", "full"])
def test_a_rehearsal_is_what_the_golden_file_says(size: str) -> None:
    builder = rehearsing(minimal() if size == "minimal" else full())
    compare(builder.job(Step.REHEARSE, 1), f"{size}-rehearse.yaml")


@pytest.mark.parametrize("builder", [minimal(), full()])
def test_only_the_loader_has_a_secret_and_it_is_no_sidecar(builder: Builder) -> None:
    pod = pod_of(builder)
    secrets = {name for name, text in parts(pod).items() if "secretKeyRef" in text or "secretRef" in text}
    assert secrets <= {"load"}
    load = next(item for item in pod["initContainers"] if item["name"] == "load")
    assert "restartPolicy" not in load
    (main,) = pod["containers"]
    assert "dbm-scratch" not in json.dumps(main["volumeMounts"])
    assert pod["automountServiceAccountToken"] is False
    assert not any("secret" in volume for volume in pod["volumes"])


def parts(pod: Json) -> dict[str, str]:
    return {item["name"]: json.dumps(item) for item in [*pod["initContainers"], *pod["containers"]]}


def variables(changes: Json, env: list[Json], **seen: Any) -> dict[str, str]:
    found = redirected(spec(changes), env, replace(SEEN, database="shop", **seen))
    return {item["name"]: item.get("value", "") for item in found}


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("db", 5432, "postgresql+asyncpg://shop_app:rehearsal@db:5432/shop?ssl=require"),
        ("10.0.0.5", 6000, "postgresql+asyncpg://shop_app:rehearsal@127.0.0.1:6000/shop?ssl=require"),
        ("db1,db2", 5432, "postgresql+asyncpg://shop_app:rehearsal@127.0.0.1:5432/shop?ssl=require"),
        ("/var/run/postgresql", 5432, "postgresql+asyncpg://shop_app:rehearsal@127.0.0.1:5432/shop?ssl=require"),
        ("db", 80, "postgresql+asyncpg://shop_app:rehearsal@db:5432/shop?ssl=require"),
    ],
)
def test_the_url_leads_to_the_copy_in_the_application_s_own_form(host: str, port: int, url: str) -> None:
    found = variables({}, [{"name": "DATABASE_URL", "value": "secret"}], host=host, port=port)
    assert found["DATABASE_URL"] == url
    assert found["PGHOSTADDR"] == "127.0.0.1"


def test_split_variables_lead_to_the_copy() -> None:
    found = variables(FULL, [{"name": "PGHOSTADDR", "value": "10.0.0.5"}, {"name": "PGSSLROOTCERT", "value": "/ca"}])
    assert {name: found[name] for name in ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME")} == {
        "DB_HOST": "db",
        "DB_PORT": "5432",
        "DB_USER": "shop_app",
        "DB_PASSWORD": "rehearsal",
        "DB_NAME": "shop",
    }
    assert found["PGHOSTADDR"] == "127.0.0.1"
    assert "PGSSLROOTCERT" not in found


def test_a_variable_may_be_made_of_those_that_are_redirected() -> None:
    """The kubelet expands $(NAME) only where NAME stands before it."""
    env = [{"name": "DSN", "value": "postgresql://$(DB_USER):$(DB_PASSWORD)@$(DB_HOST)/$(DB_NAME)"}]
    found = [item["name"] for item in redirected(spec(FULL), env, replace(SEEN, database="shop"))]
    assert max(found.index(name) for name in ("DB_HOST", "DB_USER", "DB_PASSWORD", "DB_NAME")) < found.index("DSN")


def test_no_pod_of_a_run_is_an_endpoint_of_a_service() -> None:
    for step in (Step.INSPECT, Step.REHEARSE, Step.BACKUP, Step.MIGRATE):
        pod = rehearsing(full()).job(step, 1)["spec"]["template"]["spec"]
        assert pod["readinessGates"] == [{"conditionType": "dbmigrations.dev/never"}]


def test_a_certificate_is_not_verified_on_the_copy_and_a_value_is_no_reference() -> None:
    found = variables({}, [{"name": "PGSSLMODE", "value": "verify-full"}], role="a$(b)c")
    assert found["PGSSLMODE"] == "prefer"
    assert "$(b)" not in variables(FULL, [], role="a$(b)c")["DB_USER"].replace("$$(b)", "")


def test_what_the_manifest_says_for_the_rehearsal_wins() -> None:
    found = variables({"rehearsal": {"mode": "Required", "env": [{"name": "PGSSLMODE", "value": "disable"}]}},
                      [{"name": "PGSSLMODE", "value": "disable"}])  # fmt: skip
    assert found["PGSSLMODE"] == "disable"


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("db", ["db", "db.shop", "db.shop.svc", "db.shop.svc.cluster.local"]),
        ("db.data", ["db.data", "db.data.svc", "db.data.svc.cluster.local"]),
        ("db.data.svc", ["db.data.svc", "db", "db.data", "db.data.svc.cluster.local"]),
        ("db.example.org", ["db.example.org"]),
        ("10.0.0.5", []),
        ("::1", []),
        ("a,b", []),
        ("localhost", []),
    ],
)
def test_every_name_of_the_server_leads_to_the_copy(host: str, names: list[str]) -> None:
    theirs = [{"ip": "10.9.9.9", "hostnames": ["mail", *names[:1]]}]
    found = host_aliases(theirs, host, "shop")
    ours = [alias["hostnames"] for alias in found if alias["ip"] == "127.0.0.1"]
    assert ours == ([names] if names else [])
    assert [alias["hostnames"] for alias in found if alias["ip"] == "10.9.9.9"] == [["mail"]] if names else True


def test_variables_from_secrets_have_placeholders_and_others_what_they_have() -> None:
    env = [
        {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}},
        {"name": "LOG", "value": "info"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "FLAG", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ]
    source = pod_source(workload(container={"env": env, "envFrom": [{"secretRef": {"name": "all"}},
                                                                    {"configMapRef": {"name": "c"}}]}), "")  # fmt: skip
    mine = {"rehearsal": {"mode": "Required", "env": [{"name": "SECRET_KEY", "value": "0" * 32}]}}
    found = stripped_env(spec(mine), source, ("SECRET_KEY", "LOG", "TOKEN"))
    assert found[0] == {"name": "SECRET_KEY", "value": "0" * 32}
    assert {"name": "TOKEN", "value": PLACEHOLDER} in found
    assert {"name": "DATABASE_URL", "value": PLACEHOLDER} in found
    assert [item for item in found if item["name"] == "LOG"] == [env[1]]
    assert env[2] in found
    assert env[3] in found
    assert stripped_env_from(spec(mine), source) == [{"configMapRef": {"name": "c"}}]


def test_volumes_with_secrets_or_data_become_empty_folders() -> None:
    projected = [{"secret": {"name": "s"}}, {"configMap": {"name": "c"}}, {"serviceAccountToken": {"path": "t"}}]
    volumes = [
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "keys", "secret": {"secretName": "s"}},
        {"name": "mixed", "projected": {"sources": projected}},
        {"name": "vault", "csi": {"driver": "secrets-store"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "d"}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    mounts.append({"name": "keys", "mountPath": "/etc/key.pem", "subPath": "key.pem"})
    source = pod_source(workload(container={"volumeMounts": mounts}, pod={"volumes": volumes}), "")
    found, mounted = stripped_files(source)
    assert found == [
        volumes[0],
        {"name": "dbm-empty-1", "emptyDir": {}},
        {"name": "dbm-empty-2", "projected": {"sources": [projected[1]]}},
        {"name": "dbm-empty-3", "emptyDir": {}},
        {"name": "dbm-empty-4", "emptyDir": {}},
    ]
    assert [mount["mountPath"] for mount in mounted] == ["/config", "/keys", "/mixed", "/vault", "/data"]


def test_a_report_that_was_started_again_is_read_once() -> None:
    line = '{"dbm":"plan","file":"statements.sql","part":%d,"text":"%s"}\n'
    log = line % (0, "a") + line % (1, "b") + "noise\n" + '{"dbm": broken\n' + line % (0, "A") + line % (1, "B")
    assert read_plan(log.encode()) == {"statements.sql": "AB"}


def test_a_long_plan_is_kept_in_pieces_that_are_put_together_again() -> None:
    builder = minimal()
    run = Run(**{**vars(builder.run), "attempts": {"Rehearse": Attempt(2)}})
    text = "".join(f"INSERT INTO täble VALUES ({number});\n" for number in range(60_000))
    made = config_maps(builder.resource, run, {"statements.sql": text, "schema.diff": "+ a\n"})
    assert len(made) > 2
    assert all(sum(len(part.encode()) for part in item["data"].values()) <= PIECE_BYTES for item in made)
    assert [item["metadata"]["name"] for item in made] == list(names_of(made[0]))
    assert made[0]["metadata"]["name"] == plan_name(builder.resource, run)
    pieces = {key: part for item in made for key, part in item["data"].items()}
    keys = sorted((key for key in pieces if key.startswith("statements.sql")), key=lambda k: int(k[15:] or 0))
    assert "".join(pieces[key] for key in keys) == text


def test_an_empty_plan_is_kept_too() -> None:
    (made,) = config_maps(minimal().resource, minimal().run, {})
    assert made["data"] == {}


def test_the_manifest_s_image_is_taken_before_the_settings() -> None:
    builder = minimal()
    asked = Builder(
        builder.resource,
        spec({"rehearsal": {"mode": "Required", "image": "postgis/postgis:17"}}),
        builder.source,
        builder.run,
        Runner("runner:1"),
    )
    (scratch, *_) = pod_of(asked)["initContainers"]
    assert scratch["image"] == "postgis/postgis:17"
