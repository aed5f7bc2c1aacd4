"""Bringing images into a cluster's containerd, under the names by which the kubelet looks for them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import archive, containerd
from .commands import run, succeeds
from .errors import LocalKubeError, NotFoundError
from .progress import step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Cluster

# Kept at the image inside of containerd, so that it is never said of an image that is not there.
ID_LABEL = "dbmigrations.dev/image-id"


def load(cluster: Cluster, tags: Sequence[str]) -> None:
    """Load images from buildah's storage; an image that is there already, in the same version, costs nothing."""
    cluster.loading.mkdir(exist_ok=True)
    for tag in tags:
        name, identity = qualified(tag), image_id(tag)
        if is_loaded(cluster, name, identity):
            continue
        with (
            step(f"loading {tag} into {cluster.name}", quick=True),
            tempfile.TemporaryDirectory(dir=cluster.loading) as folder,
        ):
            file = Path(folder) / "image.tar"
            archive.export(
                identity, name, file, present=set(containerd.ctr(cluster, "content", "list", "--quiet").split())
            )
            import_archive(cluster, file, name, identity)


def import_archive(cluster: Cluster, file: Path, name: str, identity: str) -> None:
    """Import an archive that holds one image under its full name."""
    containerd.ctr(cluster, "images", "import", file)
    containerd.ctr(cluster, "images", "label", name, f"{ID_LABEL}={identity}")


def is_loaded(cluster: Cluster, name: str, identity: str) -> bool:
    """Whether containerd has the image of this name with this very content."""
    found = containerd.ctr(cluster, "images", "list", "--quiet", f'name=={name},labels."{ID_LABEL}"=={identity}')
    return name in found.split()


def image_id(tag: str) -> str:
    """The id of an image in buildah's storage."""
    for name in (f"localhost/{tag}", tag):
        if succeeds(["buildah", "inspect", "--type", "image", name]):
            return run(["buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", name]).strip()
    raise NotFoundError(f"no image {tag!r} was built here", now=f"hack/localkube build -t {tag} DIR")


def qualified(tag: str) -> str:
    """The full name that the kubelet makes of a short one: `shop:1` → `docker.io/library/shop:1`."""
    tag = tag.removeprefix("localhost/")
    first, slash, _ = tag.partition("/")
    if ":" not in tag.rpartition("/")[2]:
        raise LocalKubeError(
            f"the image {tag!r} has no tag", now=f"give it one that is not `latest`, such as {tag}:dev"
        )
    if slash and ("." in first or ":" in first):
        return tag
    return f"docker.io/{tag}" if slash else f"docker.io/library/{tag}"
