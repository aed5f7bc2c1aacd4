"""The images of the end-to-end tests: built here, brought into the cluster there."""

from __future__ import annotations

import subprocess

from tests.cluster.cluster import LOCALKUBE, ROOT, CommandError
from tests.e2e.manifests import NEW_IMAGE, OLD_IMAGE

IMAGES = (
    "dbmigrations/operator:dev",
    "dbmigrations/runner:dev",
    OLD_IMAGE,
    NEW_IMAGE,
    "dbmigrations/demo-postgres:17",
    "dbmigrations/demo-s3:dev",
)


def command(*words: str) -> None:
    """Run a command that may take minutes on a new machine. Raises CommandError with what it said."""
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, check=False)
    if done.returncode:
        raise CommandError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-5000:]}")


def build_images() -> None:
    """Build every image; all but the first time the layers are there already."""
    for target in ("operator", "runner"):
        command(str(LOCALKUBE), "build", "-t", f"dbmigrations/{target}:dev", "--target", target, str(ROOT))
    command(str(ROOT / "deploy" / "demo" / "build-images"), "postgres", "s3", "histories")
    folder = str(ROOT / "tests" / "e2e" / "images")
    command(str(LOCALKUBE), "build", "-t", NEW_IMAGE, "--build-arg", "VERSION=next", folder)


def load_images(cluster: str) -> None:
    """Bring the images into the cluster of that name."""
    command(str(LOCALKUBE), "load", "docker-image", *IMAGES, "--name", cluster)
