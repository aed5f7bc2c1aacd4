"""The commands: kind's own, and a few around them."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import build, docker, kubeconfig, lifecycle, load, registry, tools
from .errors import LocalKubeError
from .progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Cluster

DEFAULT_NAME = "kind"
# These are kind's; where Docker runs they are handed over as they are.
KIND_COMMANDS = ("create", "delete", "get", "load", "export")


def main(arguments: Sequence[str]) -> int:
    """Exit code 0, or 1 with one line on stderr, or 130 when interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what Ctrl-C clears is cleared for `kill`, too
    try:
        if docker.engine_answers():
            if arguments and arguments[0] in KIND_COMMANDS:
                docker.hand_over("kind", arguments)
            if arguments and arguments[0] == "build":
                docker.hand_over("docker", arguments)
        options = _parser().parse_args(arguments)
        options.run(options)
    except LocalKubeError as error:
        say(f"ERROR: {error}")
        return 1
    except KeyboardInterrupt:
        say("ERROR: interrupted; run the same command again, it begins where that is possible")
        return 130
    return 0


def _create(options: argparse.Namespace) -> None:
    for ignored in ("image", "config"):
        if getattr(options, ignored):
            say(f"   --{ignored} is not used: this cluster is not a container")
    lifecycle.create(options.name, options.kubeconfig, options.wait or lifecycle.DEFAULT_WAIT_SECONDS)


def _delete(options: argparse.Namespace) -> None:
    if not lifecycle.delete(options.name, options.kubeconfig):
        say(f"   there is no cluster {options.name}")


def _get_clusters(_: argparse.Namespace) -> None:
    up = [cluster.name for cluster in registry.known() if registry.is_up(cluster)]
    print("".join(f"{name}\n" for name in up), end="")
    if not up:
        say("No clusters found.")


def _get_kubeconfig(options: argparse.Namespace) -> None:
    print(registry.running(options.name).kubeconfig.read_text(), end="")


def _export_kubeconfig(options: argparse.Namespace) -> None:
    kubeconfig.merge(registry.running(options.name), kubeconfig.user_path(options.kubeconfig))


def _load(options: argparse.Namespace) -> None:
    load.load(registry.running(options.name), options.tags)


def _build(options: argparse.Namespace) -> None:
    arguments = build.parse_arguments(options.build_arg)
    build.build(build.Build(options.context, tuple(options.tag), options.file, options.target, arguments))


def _tools(options: argparse.Namespace) -> None:
    print(":".join(str(_program(name).parent) for name in options.names or ["kubectl", "helm"]))


def _env(options: argparse.Namespace) -> None:
    cluster = None if docker.engine_answers() else registry.running(options.name)
    print(environment_line(cluster, [_program(name).parent for name in ("kubectl", "helm")]))


def environment_line(cluster: Cluster | None, folders: Sequence[Path]) -> str:
    """What a person puts into the shell. Under Docker no cluster is ours: kind wrote into the usual kubeconfig."""
    on_path = os.environ.get("PATH", "").split(":")
    path = ":".join(str(folder) for folder in dict.fromkeys(folders) if str(folder) not in on_path)
    file = cluster.kubeconfig if cluster is not None else kubeconfig.user_path(None)
    line = f"export PATH={shlex.quote(path) + ':' if path else ''}$PATH KUBECONFIG={shlex.quote(str(file))}"
    if cluster is not None and any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        line += f" NO_PROXY={cluster.node_address},{os.environ.get('NO_PROXY', '')}"
    return line


def _program(name: str) -> Path:
    """A tool: where Docker runs, as it is on this machine (Go may be missing there), else of the cluster's version."""
    found = shutil.which(name) if docker.engine_answers() else None
    return Path(found) if found else tools.ensure(name)


def seconds(text: str) -> float:
    """kind's durations: 90s, 5m, 1m30s; 0s means the default."""
    if not (match := re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", text)) or not text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90s or 5m")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localkube", description="A Kubernetes cluster for demo and tests; kind where Docker runs."
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    create = _noun(verbs.add_parser("create", help="bring up a cluster"), "cluster", _create, kubeconfig_option=True)
    create.add_argument("--wait", type=seconds, metavar="TIME", help="how long it may take (default 3m)")
    create.add_argument("--image", help="not used without Docker")
    create.add_argument("--config", help="not used without Docker")
    create.add_argument("--retain", action="store_true", help="not used without Docker: logs are always kept")
    _noun(verbs.add_parser("delete", help="end a cluster"), "cluster", _delete, kubeconfig_option=True)
    getting = verbs.add_parser("get", help="clusters, or the kubeconfig of one").add_subparsers(
        required=True, metavar="WHAT"
    )
    getting.add_parser("clusters", help="names, one a line").set_defaults(run=_get_clusters)
    _named(getting.add_parser("kubeconfig", help="on stdout")).set_defaults(run=_get_kubeconfig)
    _noun(
        verbs.add_parser("export", help="merge into a kubeconfig"),
        "kubeconfig",
        _export_kubeconfig,
        kubeconfig_option=True,
    )
    loading = _noun(verbs.add_parser("load", help="bring images into a cluster"), "docker-image", _load)
    loading.add_argument("tags", nargs="+", metavar="TAG")
    _build_parser(verbs.add_parser("build", help="build an image"))
    tools_parser = verbs.add_parser("tools", help="build tools if need be, print their folders as for PATH")
    tools_parser.add_argument(
        "names", nargs="*", metavar="TOOL", help=f"kubectl and helm unless named; of {', '.join(tools.PACKAGES)}"
    )
    tools_parser.set_defaults(run=_tools)
    _named(
        verbs.add_parser("env", help="print one line that puts kubectl, helm and the kubeconfig into a shell")
    ).set_defaults(run=_env)
    return parser


def _named(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    default = os.environ.get("KIND_CLUSTER_NAME", DEFAULT_NAME)
    parser.add_argument("-n", "--name", default=default, help=f"the cluster (default {default})")
    return parser


def _noun(
    verb: argparse.ArgumentParser, noun: str, run: object, *, kubeconfig_option: bool = False
) -> argparse.ArgumentParser:
    parser = _named(verb.add_subparsers(required=True, metavar="WHAT").add_parser(noun))
    if kubeconfig_option:
        parser.add_argument(
            "--kubeconfig", type=Path, metavar="FILE", help="the file to change (default: KUBECONFIG, ~/.kube/config)"
        )
    parser.set_defaults(run=run)
    return parser


def _build_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME:TAG")
    parser.add_argument("-f", "--file", type=Path, help="the Dockerfile (default: DIR/Dockerfile)")
    parser.add_argument("--target", help="the stage to build")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("context", type=Path, metavar="DIR")
    parser.set_defaults(run=_build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
