"""What this machine knows about reaching packages (mirrors, proxies, certificates), made usable inside of image builds.

Everything is mounted read-only while a build runs and never becomes a part of an image. No address stands in this
project: a mirror is the one that this machine's apt uses, an index the one that its pip uses.
"""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .commands import run
from .errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Mapping

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Where a build sees them. The base image has empty files there, so that mounting leaves no trace in a layer.
APT_SOURCES = "/etc/apt/sources.list.d/localkube.sources"
APT_SETTINGS = "/etc/apt/apt.conf.d/99localkube"
PIP_SETTINGS = "/etc/pip.conf"
CERTIFICATES = "/etc/ssl/localkube.crt"
MOUNT_POINTS = (APT_SOURCES, APT_SETTINGS, PIP_SETTINGS, CERTIFICATES)

PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
APT_OPTIONS = re.compile(r'^Acquire::(?!IndexTargets|Languages|CompressionTypes|Changelogs|GzipIndexes).+ ".+";$')


def mirrors(apt: Path = Path("/etc/apt"), codename: str | None = None) -> tuple[str, str | None]:
    """This machine's mirror of Debian and the one of its security updates, if it has one."""
    codename = codename or _codename()
    archive = security = None
    for uri, suites in _sources(apt):
        if codename in suites:
            archive = archive or uri
        if f"{codename}-security" in suites:
            security = security or uri
    if archive is None:
        raise MachineError(
            f"{apt} names no mirror for {codename}", now="base images come from the mirror that this machine uses"
        )
    return archive, security


def write(folder: Path) -> dict[Path, str]:
    """Write the settings into a folder and return what is to be mounted where."""
    archive, security = mirrors()
    mounts = {folder / "sources": APT_SOURCES, folder / "apt": APT_SETTINGS, folder / "pip": PIP_SETTINGS}
    bundle = certificates()
    if bundle is not None:
        mounts[bundle] = CERTIFICATES
    (folder / "sources").write_text(apt_sources(archive, security))
    (folder / "apt").write_text(_apt_settings(bundle is not None))
    (folder / "pip").write_text(pip_settings(os.environ, _pip_files(), with_certificates=bundle is not None))
    return mounts


def apt_sources(archive: str, security: str | None) -> str:
    """A sources list for the base image's suite."""
    text = f"Types: deb\nURIs: {archive}\nSuites: {SUITE} {SUITE}-updates\nComponents: main\nSigned-By: {KEYRING}\n"
    if security:
        text += f"\nTypes: deb\nURIs: {security}\nSuites: {SUITE}-security\nComponents: main\nSigned-By: {KEYRING}\n"
    return text


def apt_proxy() -> str | None:
    """The proxy that apt uses for http, for programs that do not read its settings."""
    match = re.search(r"^p='(.+)'$", run(["apt-config", "shell", "p", "Acquire::http::Proxy"]), re.MULTILINE)
    return match[1] if match else None


def pip_settings(env: Mapping[str, str], files: list[Path], *, with_certificates: bool) -> str:
    """A pip.conf of what pip on this machine is told by its files and its variables."""
    options: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        parser.read(file)
        for section in ("global", "install"):
            if parser.has_section(section):
                options |= {key: value for key, value in parser.items(section) if key in PIP_OPTIONS}
    for option in PIP_OPTIONS:
        if value := env.get(f"PIP_{option.upper().replace('-', '_')}"):
            options[option] = value
    if with_certificates:
        options["cert"] = CERTIFICATES
    # A value of several lines stays one value only if its further lines are indented.
    lines = [f"{key} = {value.strip().replace(chr(10), chr(10) + '    ')}\n" for key, value in options.items()]
    return "[global]\n" + "".join(lines)


def certificates() -> Path | None:
    """This machine's bundle of certificate authorities; a file, because packages write beside it in its folder."""
    for given in (os.environ.get("PIP_CERT"), os.environ.get("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"):
        if given and Path(given).is_file():
            return Path(given).resolve()
    return None


def _apt_settings(with_certificates: bool) -> str:
    lines = [line for line in run(["apt-config", "dump"]).splitlines() if APT_OPTIONS.match(line)]
    if with_certificates:
        lines = [line for line in lines if not line.startswith("Acquire::https::CAInfo")]
        lines.append(f'Acquire::https::CAInfo "{CERTIFICATES}";')
    return "".join(f"{line}\n" for line in lines)


def _pip_files() -> list[Path]:
    home = Path.home()
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"]
    if given := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(given))
    return [file for file in files if file.is_file()]


def _sources(apt: Path) -> list[tuple[str, set[str]]]:
    """All (address, suites) of an apt configuration, in both of its formats."""
    found = []
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            if fields.get("Enabled", "yes") != "no" and "deb" in fields.get("Types", "").split():
                found += [(uri, set(fields.get("Suites", "").split())) for uri in fields.get("URIs", "").split()]
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        if file.is_file():
            lines = re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", file.read_text(), re.MULTILINE)
            found += [(uri, {suite}) for uri, suite in lines]
    return found


def _codename() -> str:
    match = re.search(r"^VERSION_CODENAME=\"?(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    return match[1] if match else "bookworm"
