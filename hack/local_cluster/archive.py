"""Writing an image of buildah's storage as an OCI archive, without the layers that the receiver has already.

buildah's own archives squeeze every layer each time, the base's too: seconds for each changed line of an application.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .commands import run

if TYPE_CHECKING:
    from collections.abc import Collection

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
# What the receiver names the image by: Docker's tools write the first, containerd prefers the second.
NAME_ANNOTATIONS = ("org.opencontainers.image.ref.name", "io.containerd.image.name")


def export(identity: str, name: str, target: Path, present: Collection[str] = ()) -> None:
    """Write the image with this id, under this full name; `present` are digests (sha256:…) that need not be in it."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        blobs = Path(folder)
        run(["buildah", "push", "--quiet", "--disable-compression", identity, f"dir:{blobs}"])
        manifest = (blobs / "manifest.json").read_bytes()
        with tarfile.open(target, "w") as archive:
            _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            _add(archive, "index.json", _index(manifest, name))
            _add(archive, f"blobs/sha256/{hashlib.sha256(manifest).hexdigest()}", manifest)
            for digest in sorted(_referenced(json.loads(manifest)) - set(present)):
                algorithm, _, value = digest.partition(":")
                archive.add(blobs / value, f"blobs/{algorithm}/{value}")


def _index(manifest: bytes, name: str) -> bytes:
    descriptor = {
        "mediaType": MANIFEST_TYPE,
        "digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}",
        "size": len(manifest),
        "annotations": dict.fromkeys(NAME_ANNOTATIONS, name),
    }
    return json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode()


def _referenced(manifest: dict[str, Any]) -> set[str]:
    return {manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
