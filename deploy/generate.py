"""Writes what in deploy/ repeats something that is written elsewhere, so that it is written once.

    .venv/bin/python deploy/generate.py   writes deploy/base, deploy/argocd and the fields of docs/reference.md
    …                           --check   writes nothing; exit code 1 and the names of the files that are out of date

deploy/base is the chart rendered with its defaults (without Helm's own labels); deploy/argocd/argocd-cm.yaml holds
health.lua; the field tables of docs/reference.md are the CRD's. Helm is taken from the environment variable HELM, else
from the PATH.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from reference import reference

DEPLOY = Path(__file__).resolve().parent
CHART = DEPLOY.parent / "charts" / "dbmigrations"
RELEASE = "dbmigrations"
NAMESPACE = "dbmigrations-system"

# What only Helm writes and reads.
HELM_LABELS = re.compile(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
SOURCE = re.compile(r"^# Source: dbmigrations/templates/(?P<file>\S+)\n", re.MULTILINE)

BASE_HEADER = "# Written by deploy/generate.py from charts/dbmigrations: change it there.\n"
NAMESPACE_MANIFEST = f"""apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
CONFIG_MAP = """# Written by deploy/generate.py from health.lua: change it there.
# Add it to Argo CD's own ConfigMap; everything else in there stays as it is:
#   kubectl -n argocd patch configmap argocd-cm --patch-file deploy/argocd/argocd-cm.yaml
# It also serves as a patch of kustomize (patches: [{path: argocd-cm.yaml}]). Do not use a client-side `kubectl apply`:
# it would remove what was applied to this ConfigMap before.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
data:
  resource.customizations.health.dbmigrations.dev_DatabaseMigration: |
"""


def render_chart() -> str:
    """Renders the chart with its defaults; raises CalledProcessError with Helm's message on stderr."""
    helm = os.environ.get("HELM", "helm")
    # Named, because a Helm built from its Go module takes itself for a client of Kubernetes 1.20.
    command = [helm, "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.34.0"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def base_files(rendered: str) -> dict[str, str]:
    """Cuts Helm's output into one file a template, plus the namespace and the kustomization that names them all."""
    files = {"namespace.yaml": NAMESPACE_MANIFEST}
    for document in re.split(r"^---\n", rendered, flags=re.MULTILINE):
        source = SOURCE.search(document)
        if source is None:
            continue
        name = source["file"]
        body = HELM_LABELS.sub("", SOURCE.sub("", document)).strip("\n") + "\n"
        files[name] = f"{files[name]}---\n{body}" if name in files else BASE_HEADER + body
    listed = "".join(f"- {name}\n" for name in sorted(files))
    files["kustomization.yaml"] = (
        f"{BASE_HEADER}apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{listed}"
    )
    return files


def config_map(script: str) -> str:
    """The ConfigMap with the health script, indented as a block scalar."""
    return CONFIG_MAP + "".join(f"    {line}" if line.strip() else line for line in script.splitlines(keepends=True))


def wanted() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    files = {DEPLOY / "base" / name: text for name, text in base_files(render_chart()).items()}
    script = (DEPLOY / "argocd" / "health.lua").read_text()
    files[DEPLOY / "argocd" / "argocd-cm.yaml"] = config_map(script)
    document = DEPLOY.parent / "docs" / "reference.md"
    definition = DEPLOY.parent / "crds" / "databasemigrations.yaml"
    files[document] = reference(document.read_text(), definition.read_text())
    return files


def main() -> int:
    """Writes or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the generated files of deploy/ and docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing, only say what is out of date")
    check = parser.parse_args().check
    files = wanted()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    # A template that is gone must not leave its last rendering behind.
    orphans = [path for path in sorted((DEPLOY / "base").glob("*.yaml")) if path not in files]
    for path in stale + orphans:
        word = "out of date" if check else "written" if path in files else "removed"
        print(f"{word}: {path.relative_to(DEPLOY.parent)}")
    if check:
        if stale or orphans:
            print("run: make generate", file=sys.stderr)
        return 1 if stale or orphans else 0
    for path in stale:
        path.write_text(files[path])
    for path in orphans:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
