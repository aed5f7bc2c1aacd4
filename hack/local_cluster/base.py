"""The base image where no registry is: a small Debian from this machine's own mirror, kept in the cache as an archive.

It carries no address: apt inside of it finds a mirror only while `hack/localkube build` mounts one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from . import hostsettings
from .commands import SYSTEM_PATH, environment, run, run_logged, succeeds
from .hostsettings import KEYRING, MOUNT_POINTS, SUITE
from .machine import IMAGE_PACKAGES, ensure_packages
from .progress import step
from .registry import locked
from .settings import cache_root

if TYPE_CHECKING:
    from pathlib import Path

# As in the public slim images: what no container reads is not installed.
DPKG_SETTINGS = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
force-unsafe-io
"""
APT_KEEPS_NOTHING = """\
APT::Keep-Downloaded-Packages "false";
APT::Install-Recommends "true";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
"""
NEEDLESS = (
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "var/lib/apt/lists",
    "var/cache/apt",
    "var/log",
)
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
KEY = hashlib.sha256("\n".join((DPKG_SETTINGS, APT_KEEPS_NOTHING, *NEEDLESS, *MOUNT_POINTS)).encode()).hexdigest()[:8]
IMAGE = f"localhost/localkube/base:{SUITE}-{KEY}"


def ensure() -> str:
    """The name of the base image, which is made now if it is not there (a minute, once)."""
    ensure_packages(IMAGE_PACKAGES)
    if not exists(IMAGE):
        with locked(cache_root() / "locks" / "base", "the base image"):
            if not exists(IMAGE):
                _import(_archive())
    return IMAGE


def exists(image: str) -> bool:
    """Whether buildah has an image of this name."""
    return succeeds(["buildah", "inspect", "--type", "image", image])


def _archive() -> Path:
    archive = cache_root() / "base" / f"{SUITE}-{KEY}.tar"
    if archive.exists():
        return archive
    folder = archive.parent
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.part"):
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    tree, part = folder / "tree.part", folder / "archive.part"
    mirror, _ = hostsettings.mirrors()
    proxy = hostsettings.apt_proxy()
    with step(f"fetching Debian {SUITE} for the base image (once, then cached)"):
        # In a mount namespace of its own: whatever debootstrap mounts goes with it, even if it is killed.
        run_logged(
            [*UNSHARE, "debootstrap", "--variant=minbase", f"--keyring={KEYRING}", SUITE, tree, mirror],
            cache_root() / "logs" / "debootstrap.log",
            dies_with_us=True,
            env=environment(**({"http_proxy": proxy} if proxy else {})),
            now="look at /etc/apt: can this machine reach its mirror?",
        )
        _slim(tree)
        run(
            [
                "tar",
                "--create",
                "--numeric-owner",
                "--one-file-system",
                "--exclude=./dev/*",
                f"--directory={tree}",
                f"--file={part}",
                ".",
            ]
        )
    part.replace(archive)
    shutil.rmtree(tree)
    return archive


def _slim(tree: Path) -> None:
    for folder in NEEDLESS:
        for entry in (tree / folder).iterdir() if (tree / folder).is_dir() else ():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    (tree / "var/cache/apt/archives/partial").mkdir(parents=True)
    for document in (tree / "usr/share/doc").rglob("*"):
        if not document.is_dir() and document.name != "copyright":
            document.unlink()
    (tree / "etc/apt/sources.list").unlink(missing_ok=True)
    (tree / "etc/dpkg/dpkg.cfg.d/slim").write_text(DPKG_SETTINGS)
    (tree / "etc/apt/apt.conf.d/slim").write_text(APT_KEEPS_NOTHING)
    for file in ("etc/resolv.conf", "etc/hostname"):
        with suppress(FileNotFoundError):
            (tree / file).unlink()
    for mount_point in MOUNT_POINTS:
        place = tree / mount_point.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _import(archive: Path) -> None:
    with step("making the base image", quick=True):
        container = run(["buildah", "from", "--name", f"localkube-base-{os.getpid()}", "scratch"]).strip()
        try:
            run(["buildah", "add", container, archive, "/"])
            run(["buildah", "config", "--cmd", "bash", "--env", f"PATH={SYSTEM_PATH}", container])
            run(["buildah", "commit", "--quiet", container, IMAGE])
        finally:
            run(["buildah", "rm", container])
