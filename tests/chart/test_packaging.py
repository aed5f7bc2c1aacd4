"""The chart as a folder and as a package, its CRD, and what deploy/ repeats of it."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.chart.conftest import CHART, Helm, Rendered
from tests.chart.tools import ROOT, find

if TYPE_CHECKING:
    from pathlib import Path

CRD = ROOT / "crds" / "databasemigrations.yaml"


@pytest.fixture(scope="module")
def package(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as `helm package` writes it."""
    folder = tmp_path_factory.mktemp("package")
    answer = helm.run("package", str(CHART), "--destination", str(folder))
    assert answer.returncode == 0, answer.stderr
    (path,) = folder.glob("*.tgz")
    return path


def test_lint_finds_nothing(helm: Helm) -> None:
    answer = helm.run("lint", "--strict", str(CHART))
    assert answer.returncode == 0, answer.stdout
    assert "[WARNING]" not in answer.stdout
    assert "[ERROR]" not in answer.stdout


def test_the_package_holds_the_crd_itself_and_renders_the_same(helm: Helm, package: Path, default: Rendered) -> None:
    with tarfile.open(package) as archive:
        member = archive.extractfile("dbmigrations/files/databasemigrations.yaml")
        assert member is not None
        assert member.read() == CRD.read_bytes()
    assert helm.render(chart=package) == default


def test_the_crd_is_passed_on_as_it_is(helm: Helm) -> None:
    assert (CHART / "files" / "databasemigrations.yaml").resolve() == CRD
    assert CRD.read_text().strip() in helm.template().stdout


def test_the_crd_stays_when_the_release_goes(default: Rendered) -> None:
    annotations = default.one("CustomResourceDefinition")["metadata"]["annotations"]
    assert annotations["helm.sh/resource-policy"] == "keep"


def test_the_crd_is_a_template_so_that_helm_upgrades_it(default: Rendered) -> None:
    assert not (CHART / "crds").exists(), "Helm never upgrades what lies in crds/"
    assert len(default.of("CustomResourceDefinition")) == 1


def test_the_crd_can_be_left_to_somebody_else(helm: Helm) -> None:
    assert helm.render(values={"crds.install": False}).of("CustomResourceDefinition") == []


def test_what_deploy_repeats_is_up_to_date(helm: Helm) -> None:
    script = ROOT / "deploy" / "generate.py"
    environment = {**os.environ, "HELM": helm.path}
    answer = subprocess.run(
        [sys.executable, str(script), "--check"], env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, f"{answer.stdout}{answer.stderr}"


def test_the_kustomize_base_is_what_the_chart_renders(default: Rendered) -> None:
    answer = subprocess.run(
        [find("kubectl"), "kustomize", str(ROOT / "deploy" / "base")], capture_output=True, text=True, check=True
    )
    built = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(answer.stdout)}
    namespace = built.pop(("Namespace", "dbmigrations-system"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for item in copy.deepcopy(default):
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            item["metadata"].get("labels", {}).pop(label, None)
        assert built.pop((item["kind"], item["metadata"]["name"])) == item
    assert not built
