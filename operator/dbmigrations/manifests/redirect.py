"""How the rehearsal's command finds the scratch server: by the real host's name, or by variables changed for it."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from dbmigrations.api.run import Inspection
    from dbmigrations.api.spec import Json, Spec

LOOPBACK = "127.0.0.1"
PASSWORD = "rehearsal"  # noqa: S105 - the scratch server asks for none
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_CLUSTER_SUFFIXES = ("svc", "svc.cluster.local")
_LOWEST_PORT = 1024
"""The scratch server has no privileges: it cannot listen below."""
_DROPPED = {
    *("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGPASSFILE", "PGSERVICEFILE", "PGSERVICE"),
    *("PGCHANNELBINDING", "PGREQUIREAUTH", "PGREQUIREPEER", "PGSSLCERTMODE", "PGGSSENCMODE"),
}
"""libpq's variables that name files which are not there, or ask for proofs that the scratch server has not."""


def scratch_port(real: int) -> int:
    """Return the scratch server's port: the real one, for applications that have it built in."""
    return real if real >= _LOWEST_PORT else 5432


def host_aliases(theirs: list[Json], host: str, namespace: str) -> list[Json]:
    """Return hostAliases that send the real host's names to the scratch server, whatever the application's said.

    A Service has several names in its cluster; all of them must lead there.
    """
    names = _names(host, namespace)
    if not names:
        return theirs
    kept = [{**alias, "hostnames": [n for n in alias.get("hostnames", []) if n not in names]} for alias in theirs]
    return [*(alias for alias in kept if alias["hostnames"]), {"ip": LOOPBACK, "hostnames": names}]


def redirected(spec: Spec, env: list[Any], seen: Inspection) -> list[Any]:
    """Return the variables with the connection's own pointing at the scratch server, in the application's own form."""
    names = spec.migration["connectionEnv"]
    host, port = seen.host if _is_name(seen.host) else LOOPBACK, scratch_port(seen.port)
    values = {
        "url": _url(seen.url, host, port),
        "host": host,
        "port": str(port),
        "user": seen.role,
        "password": PASSWORD,
        "database": seen.database,
    }
    # `load` reaches the real server by its address, so nothing else in this Pod has to.
    ours = {names[part]: value for part, value in values.items() if part in names}
    ours |= {"PGHOSTADDR": LOOPBACK, "PGHOST": host, "PGPORT": str(port), "PGPASSWORD": PASSWORD}
    ours |= {"PGUSER": seen.role, "PGDATABASE": seen.database}
    # Always, since it may come from a ConfigMap as a whole; the scratch server's certificate is nobody's.
    ours["PGSSLMODE"] = "prefer"
    explicit = {item["name"] for item in spec.rehearsal.get("env", [])}
    ours = {name: value for name, value in ours.items() if name not in explicit}
    kept = [item for item in env if item["name"] not in ours and item["name"] not in _DROPPED - explicit]
    # First, because the kubelet expands $(NAME) only where NAME stands before it.
    return [*({"name": name, "value": _literal(value)} for name, value in ours.items()), *kept]


def _literal(value: str) -> str:
    """Keep the kubelet from reading $(NAME) in a value that is not ours."""
    return value.replace("$(", "$$(")


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return bool(_NAME.match(host)) and len(host) <= 253
    return False


def _names(host: str, namespace: str) -> list[str]:
    host = host.rstrip(".").lower()
    if not _is_name(host) or host == "localhost":
        return []
    labels = host.split(".")
    found = [host]
    if len(labels) == 1 and namespace:
        labels = [host, namespace]
    if len(labels) == 2:
        found += [".".join(labels), *(".".join([*labels, suffix]) for suffix in _CLUSTER_SUFFIXES)]
    if len(labels) >= 3 and labels[2] == "svc":
        found += [labels[0], ".".join(labels[:2]), *(".".join([*labels[:2], suffix]) for suffix in _CLUSTER_SUFFIXES)]
    return list(dict.fromkeys(found))


def _url(text: str, host: str, port: int) -> str:
    parts = urlsplit(text)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{host}:{port}" if login else f"{host}:{port}"))
