"""Image builds reach packages as this machine does, and carry none of it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_cluster import hostsettings
from local_cluster.errors import MachineError

if TYPE_CHECKING:
    from pathlib import Path

DEB822 = """\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://other.example/ours
Suites: stable
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
"""


def apt(folder: Path, file: str, content: str) -> Path:
    (folder / "sources.list.d").mkdir()
    (folder / file).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("file", "content"),
    [("sources.list.d/debian.sources", DEB822), ("sources.list", ONE_LINE), ("sources.list.d/debian.list", ONE_LINE)],
)
def test_the_mirror_is_the_one_that_apt_uses(tmp_path: Path, file: str, content: str) -> None:
    found = hostsettings.mirrors(apt(tmp_path, file, content), "bookworm")
    assert found == ("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_no_mirror_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=f"{tmp_path} names no mirror for trixie"):
        hostsettings.mirrors(apt(tmp_path, "sources.list", ONE_LINE), "trixie")


def test_a_switched_off_source_is_none(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        hostsettings.mirrors(
            apt(tmp_path, "sources.list.d/a.sources", "Enabled: no\n" + DEB822.split("\n\n")[0]), "bookworm"
        )


def test_pip_gets_what_its_files_and_its_variables_say(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://u:p%40@index.example/simple\ntrusted-host =\n  a\n  b\nuser = true\n"
    )
    text = hostsettings.pip_settings({"PIP_TIMEOUT": "7", "PIP_FIND_LINKS": "/wheels"}, [file], with_certificates=True)
    assert text == (
        "[global]\nindex-url = https://u:p%40@index.example/simple\ntrusted-host = a\n    b\ntimeout = 7\n"
        f"cert = {hostsettings.CERTIFICATES}\n"
    )


def test_a_variable_beats_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[install]\nindex-url = https://file.example\n")
    text = hostsettings.pip_settings({"PIP_INDEX_URL": "https://variable.example"}, [file], with_certificates=False)
    assert text == "[global]\nindex-url = https://variable.example\n"


def test_the_list_for_the_base_image_is_of_its_own_suite() -> None:
    text = hostsettings.apt_sources("http://mirror.example/debian", "http://mirror.example/debian-security")
    assert "Suites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.example/debian-security\nSuites: trixie-security\n" in text
    assert "security" not in hostsettings.apt_sources("http://mirror.example/debian", None)
