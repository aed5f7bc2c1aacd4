"""The container with the application's image that migrates: the real database, and before that a scratch copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.manifests.runner import TMP_MOUNT

if TYPE_CHECKING:
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.source import PodSource

MAIN = "migrate"
"""The container's name in every Pod that runs it."""
CONNECTION_CHECK = "500ms"
"""client_connection_check_interval: a backend whose client was killed ends within twice this time."""


def command_container(
    spec: Spec, source: PodSource, *, env: list[Any], env_from: list[Any], mounts: list[Json]
) -> Json:
    """Return the container: working directory and security of podFrom's, image and command of the manifest."""
    theirs, migration = source.container, spec.migration
    mounts, env = list(mounts), list(env)
    security = theirs.get("securityContext", {})
    taken = {mount["mountPath"].rstrip("/") for mount in mounts}
    if security.get("readOnlyRootFilesystem") and TMP_MOUNT["mountPath"] not in taken:
        mounts.append(TMP_MOUNT)
        if not any(item["name"] == "HOME" for item in env):
            env.append({"name": "HOME", "value": "/tmp"})  # noqa: S108
    main: Json = {
        "name": MAIN,
        "image": spec.image,
        "command": migration["command"],
        "env": env,
        "envFrom": env_from,
        "volumeMounts": mounts,
        # Its log may hold anything, so it never becomes a message: only our own programs speak.
        "terminationMessagePolicy": "File",
        "terminationMessagePath": "/dev/termination-log",
    }
    if directory := migration.get("workingDir") or theirs.get("workingDir"):
        main["workingDir"] = directory
    if policy := migration.get("imagePullPolicy") or theirs.get("imagePullPolicy"):
        main["imagePullPolicy"] = policy
    if security:
        main["securityContext"] = security
    if "resources" in migration:
        main["resources"] = migration["resources"]
    return main


def with_options(spec: Spec, env: list[Any]) -> list[Any]:
    """The application's variables, with the target and libpq's options merged into those that the user set."""
    options = [
        f"-c lock_timeout={spec.lock_timeout}s",
        f"-c statement_timeout={spec.statement_timeout}s",
        f"-c client_connection_check_interval={CONNECTION_CHECK}",
    ]
    theirs = [item for item in env if item["name"] == "PGOPTIONS"]
    env = [item for item in env if item["name"] != "PGOPTIONS"]
    if theirs:
        env.append({**theirs[-1], "name": "DBM_USER_PGOPTIONS"})
        options.insert(0, "$(DBM_USER_PGOPTIONS)")
    env.append({"name": "PGOPTIONS", "value": " ".join(options)})
    if not any(item["name"] == "PGAPPNAME" for item in env):
        env.append({"name": "PGAPPNAME", "value": "dbmigrations"})
    return [*[item for item in env if item["name"] != "DBM_TARGET"], {"name": "DBM_TARGET", "value": spec.target}]
