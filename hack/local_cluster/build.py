"""Building images without Docker: `docker build`'s most common options on top of buildah."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import base, hostsettings, tools
from .commands import run_logged
from .errors import LocalKubeError
from .machine import IMAGE_PACKAGES, ensure_packages, require_root
from .progress import step
from .settings import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TAIL = 25  # lines of the output that are shown when a build fails


@dataclass(frozen=True)
class Build:
    """What to build."""

    context: Path
    tags: tuple[str, ...]
    file: Path | None = None
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def dockerfile(self) -> Path:
        return self.file if self.file is not None else self.context / "Dockerfile"


def build(wanted: Build) -> None:
    """Build an image into buildah's storage; unchanged layers are taken from the last build."""
    if not wanted.dockerfile.is_file():
        raise LocalKubeError(f"no Dockerfile at {wanted.dockerfile}", now="name it with -f")
    require_root()
    ensure_packages(IMAGE_PACKAGES)
    arguments = with_bases(wanted.dockerfile.read_text(), wanted.arguments)
    name = wanted.tags[0] if wanted.tags else str(wanted.context)
    log = cache_root() / "logs" / f"image-{re.sub(r'[^a-z0-9.-]', '_', name)}.log"
    with ExitStack() as stack:
        settings = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="localkube-")))
        stack.enter_context(step(f"building the image {name}"))
        run_logged(command(wanted, arguments, hostsettings.write(settings)), log, tail=TAIL)


def command(wanted: Build, arguments: Mapping[str, str], mounts: Mapping[Path, str]) -> list[str | Path]:
    """buildah's command line.

    The host's network and a mere chroot: both work inside of sandboxes, and mirrors are reached as from here.
    """
    words: list[str | Path] = [
        "buildah",
        "bud",
        "--network",
        "host",
        "--isolation",
        "chroot",
        "--layers",
        "--pull-never",
    ]
    for source, target in mounts.items():
        words += ["--volume", f"{source}:{target}:ro"]
    for tag in wanted.tags:
        words += ["--tag", tag]
    for key, value in arguments.items():
        words += ["--build-arg", f"{key}={value}"]
    if wanted.target is not None:
        words += ["--target", wanted.target]
    return [*words, "--file", wanted.dockerfile, wanted.context]


def with_bases(dockerfile: str, given: Mapping[str, str]) -> dict[str, str]:
    """The build arguments, and the local image of each known base that the Dockerfile declares and nobody gave."""
    arguments = {"DEBIAN_FRONTEND": "noninteractive"} if declares(dockerfile, "DEBIAN_FRONTEND") else {}
    arguments |= given
    for name, ensure in BASES.items():
        if name not in arguments and declares(dockerfile, name):
            arguments[name] = ensure()
    return arguments


def declares(dockerfile: str, argument: str) -> bool:
    """Whether a Dockerfile has an ARG of this name."""
    return re.search(rf"^\s*ARG\s+{re.escape(argument)}\b", dockerfile, re.MULTILINE | re.IGNORECASE) is not None


def binary_image(tool: str) -> str:
    """An image with a shell and a ready-built tool at /out, in place of the public image with a Go compiler."""
    wanted = tools.tool(tool)
    image = f"localhost/localkube/build-{tool}:{wanted.version}-{base.KEY}"
    if not base.exists(image):
        with tempfile.TemporaryDirectory(prefix="localkube-") as folder:
            shutil.copy2(tools.ensure(tool), Path(folder) / tool)
            (Path(folder) / "Dockerfile").write_text(f"FROM {base.ensure()}\nCOPY {tool} /out/{tool}\n")
            build(Build(Path(folder), (image,)))
    return image


# Arguments that stand for a public image where there is a registry.
BASES: dict[str, Callable[[], str]] = {
    "BASE_IMAGE": base.ensure,
    "VERSITYGW_BUILD_IMAGE": lambda: binary_image("versitygw"),
}


def parse_arguments(pairs: Sequence[str]) -> dict[str, str]:
    """`--build-arg K=V` as a mapping."""
    for pair in pairs:
        if "=" not in pair:
            raise LocalKubeError(f"--build-arg {pair!r} has no value", now="write it as NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)
