"""Helm, and the chart rendered by it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.chart.tools import ROOT, find

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

CHART = ROOT / "charts" / "dbmigrations"
NAMESPACE = "dbmigrations-system"
# Named, because a Helm built from its Go module takes itself for a client of Kubernetes 1.20.
KUBERNETES = "1.34.0"


class Rendered(list[Json]):
    """The manifests that Helm printed."""

    def of(self, kind: str) -> list[Json]:
        """Return all manifests of a kind."""
        return [item for item in self if item["kind"] == kind]

    def one(self, kind: str) -> Json:
        """Return the only manifest of a kind."""
        (item,) = self.of(kind)
        return item


@dataclass(frozen=True)
class Helm:
    """The helm command."""

    path: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm; the caller looks at the exit code."""
        return subprocess.run([self.path, *arguments], capture_output=True, text=True, check=False, timeout=60)

    def template(
        self, *arguments: str, release: str = "dbmigrations", chart: Path = CHART, values: Json | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run helm template in the default namespace; values go in as JSON, each by --set-json."""
        given = [part for key, value in (values or {}).items() for part in ("--set-json", f"{key}={json.dumps(value)}")]
        command = ["template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES]
        return self.run(*command, *given, *arguments)

    def notes(self, folder: Path, values: Json | None = None) -> str:
        """Return the text that `helm install` ends with, rendered as a template of a copy: no cluster is asked."""
        copy = folder / "dbmigrations"
        shutil.copytree(CHART, copy, dirs_exist_ok=True)
        (copy / "templates" / "NOTES.txt").rename(copy / "files" / "NOTES.txt")
        (copy / "templates" / "notes.yaml").write_text(
            'kind: Notes\ntext: {{ tpl (.Files.Get "files/NOTES.txt") . | quote }}\n'
        )
        return str(self.render(chart=copy, values=values).one("Notes")["text"])

    def render(self, release: str = "dbmigrations", chart: Path = CHART, values: Json | None = None) -> Rendered:
        """Render the chart; a refusal fails the test with Helm's message."""
        answer = self.template(release=release, chart=chart, values=values)
        assert answer.returncode == 0, answer.stderr
        return Rendered(item for item in yaml.safe_load_all(answer.stdout) if item)


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(find("helm"))


@pytest.fixture(scope="session")
def default(helm: Helm) -> Rendered:
    """The chart with its default values."""
    return helm.render()
