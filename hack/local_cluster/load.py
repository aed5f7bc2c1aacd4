"""Bringing images into a cluster's containerd, under the names by which the kubelet looks for them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import containerd
from .commands import run, succeeds
from .errors import LocalKubeError, NotFound
from .layout import Cluster
from .progress import step

# Kept at the image inside of containerd, so that it is never said of an image that is not there.
ID_LABEL = "dbmigrations.dev/image-id"


def load(cluster: Cluster, tags: Sequence[str]) -> None:
    """Load images from buildah's storage; an image that is there already, in the same version, costs nothing."""
    for tag in tags:
        name, identity = qualified(tag), image_id(tag)
        if is_loaded(cluster, name, identity):
            continue
        with step(f"loading {tag} into {cluster.name}", quick=True), tempfile.TemporaryDirectory(dir=cluster.folder) as folder:
            archive = Path(folder) / "image.tar"
            # Layers stay as they are: squeezing them takes longer than everything else, and nothing leaves this machine.
            run(["buildah", "push", "--quiet", "--disable-compression", identity, f"oci-archive:{archive}:{name}"])
            import_archive(cluster, archive, name, identity)


def import_archive(cluster: Cluster, archive: Path, name: str, identity: str) -> None:
    """Import an archive that holds one image under its full name."""
    containerd.ctr(cluster, "images", "import", archive)
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
    raise NotFound(f"no image {tag!r} was built here", now=f"hack/localkube build -t {tag} DIR")


def qualified(tag: str) -> str:
    """The full name that the kubelet makes of a short one: `shop:1` → `docker.io/library/shop:1`."""
    tag = tag.removeprefix("localhost/")
    first, slash, _ = tag.partition("/")
    if ":" not in tag.rpartition("/")[2]:
        raise LocalKubeError(f"the image {tag!r} has no tag", now=f"give it one that is not `latest`, such as {tag}:dev")
    if slash and ("." in first or ":" in first):
        return tag
    return f"docker.io/{tag}" if slash else f"docker.io/library/{tag}"
