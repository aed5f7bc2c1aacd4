"""The two images that every node needs, kept as archives in the cache so that a new cluster has them in a second."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import archive, containerd, load, tools
from .build import Build, build
from .registry import locked
from .settings import IMAGES, cache_root

if TYPE_CHECKING:
    from .layout import Cluster


@dataclass(frozen=True)
class NodeImage:
    """An image that holds one program, with its recipe in hack/images/<name>."""

    tool: str

    @property
    def tag(self) -> str:
        return f"localkube/{self.tool}:{tools.tool(self.tool).version}"

    @property
    def name(self) -> str:
        return load.qualified(self.tag)

    @property
    def archive(self) -> Path:
        return cache_root() / "images" / f"{self.tag.replace('/', '-').replace(':', '-')}.tar"


PAUSE = NodeImage("pause")
COREDNS = NodeImage("coredns")
ALL = (PAUSE, COREDNS)


def ensure() -> None:
    """Build what is missing."""
    for image in ALL:
        if not image.archive.exists():
            program = tools.ensure(image.tool)
            with locked(cache_root() / "locks" / f"image-{image.tool}", f"the image {image.tag}"):
                if not image.archive.exists():
                    _build(image, program)


def import_all(cluster: Cluster) -> None:
    """Bring them into a cluster, unless they are there from an earlier life."""
    for image in ALL:
        if not load.is_loaded(cluster, image.name, image.tag):
            # The tag names the version, so it serves as identity.
            load.import_archive(cluster, image.archive, image.name, image.tag)


def garbage(cluster: Cluster) -> None:
    """Remove the containers of an earlier life: nobody would ever start or delete them."""
    containers = containerd.ctr(cluster, "containers", "list", "--quiet").split()
    if containers:
        containerd.ctr(cluster, "containers", "delete", *containers)


def _build(image: NodeImage, program: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="localkube-") as folder:
        shutil.copy2(program, Path(folder) / image.tool)
        build(Build(Path(folder), (image.tag,), file=IMAGES / image.tool / "Dockerfile"))
    image.archive.parent.mkdir(parents=True, exist_ok=True)
    part = image.archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    archive.export(load.image_id(image.tag), image.name, part)
    part.replace(image.archive)
