"""Settings of the operator, from DBM_* environment variables (the chart's values map to them)."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrations.machine.observed import Settings
from dbmigrations.manifests.runner import Runner, Scratch

if TYPE_CHECKING:
    from collections.abc import Mapping


class SettingsError(Exception):
    """A setting is missing or malformed; the message names the variable and what it must be."""


@dataclass(frozen=True)
class OperatorSettings:
    """All settings. An empty `namespaces` means the whole cluster."""

    runner: Runner
    namespaces: tuple[str, ...]
    machine: Settings
    log_level: str
    http_port: int
    workers: int


def read_settings(env: Mapping[str, str] | None = None) -> OperatorSettings:
    """Read the settings. Raises SettingsError."""
    env = os.environ if env is None else env
    image = env.get("DBM_RUNNER_IMAGE", "")
    if not image:
        raise SettingsError("DBM_RUNNER_IMAGE is not set: name the image that Jobs run")
    level = env.get("DBM_LOG_LEVEL", "info").lower()
    if level not in {"debug", "info", "warning", "error"}:
        raise SettingsError(f"DBM_LOG_LEVEL is {level!r}: say debug, info, warning or error")
    workers = int(_number(env, "DBM_WORKERS", 8))
    if workers < 1:
        raise SettingsError("DBM_WORKERS is 0: somebody must do the work, say 1 or more")
    scratch = _scratch(env)
    return OperatorSettings(
        runner=Runner(image, env.get("DBM_RUNNER_PULL_POLICY", "IfNotPresent"), scratch),
        namespaces=tuple(name.strip() for name in env.get("DBM_WATCH_NAMESPACES", "").split(",") if name.strip()),
        machine=Settings(
            retry_for=_number(env, "DBM_RETRY_FOR_SECONDS", 300),
            config_grace=_number(env, "DBM_CONFIG_GRACE_SECONDS", 30),
            stop_timeout=_number(env, "DBM_STOP_TIMEOUT_SECONDS", 60),
            delete_timeout=_number(env, "DBM_DELETE_TIMEOUT_SECONDS", 60),
            scratch_majors=tuple(sorted(scratch.images)),
        ),
        log_level=level,
        http_port=int(_number(env, "DBM_HTTP_PORT", 8080)),
        workers=workers,
    )


def _scratch(env: Mapping[str, str]) -> Scratch:
    text = env.get("DBM_SCRATCH_IMAGES") or "{}"
    try:
        images = {int(major): str(image) for major, image in json.loads(text).items() if image}
    except (ValueError, AttributeError):
        shape = '{"17": "postgres:17"}'
        raise SettingsError(f"DBM_SCRATCH_IMAGES is {text!r}: write images by major version, as {shape}") from None
    seconds = _number(env, "DBM_REHEARSAL_SECONDS", 600)
    if seconds < 1:
        raise SettingsError("DBM_REHEARSAL_SECONDS is 0: a rehearsal needs time, say 1 or more")
    return Scratch(
        images=images,
        pull_policy=env.get("DBM_SCRATCH_PULL_POLICY", "IfNotPresent"),
        seconds=seconds,
        size=env.get("DBM_SCRATCH_SIZE") or "1Gi",
    )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(env.get(name) or default)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SettingsError(f"{name} is {env[name]!r}: it must be a number")
    if value < 0:
        raise SettingsError(f"{name} is {value}: it must not be negative")
    return value
