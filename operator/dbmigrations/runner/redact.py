"""Keeps secrets out of everything that is printed or returned.

Error texts of libraries (libpq, botocore, SQLAlchemy) may quote what they were given, so every text that leaves a
runner goes through one Redactor that knows the secrets of this process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MASK = "***"
# A secret of one to three characters would blank out half of every message: it is masked where it stands as a value.
_SHORTEST_SECRET = 4
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@\"']*):[^\s\"']*@(?=[^\s@]*)")
_KEYED_PASSWORD = re.compile(
    r"((?:ssl)?pass(?:word|wd)?\s*[=:]\s*)('(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s,;\"']+)", re.IGNORECASE
)


class Redactor:
    """Replaces known secrets, and whatever looks like a password, by ``***``."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self.add(*secrets)

    def add(self, *secrets: str | None) -> None:
        """Learn secrets, in plain and in the forms in which URLs and connection strings carry them."""
        for secret in secrets:
            if not secret:
                continue
            escaped = secret.replace("\\", "\\\\").replace("'", "\\'")
            forms = {secret, secret.strip(), quote(secret, safe=""), quote(secret), quote_plus(secret), escaped}
            self._forms.update(form for form in forms if len(form) >= _SHORTEST_SECRET)

    def text(self, text: str) -> str:
        """The text without secrets."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        return _KEYED_PASSWORD.sub(rf"\1{MASK}", text)

    def value(self, value: Any) -> Any:
        """A JSON-like value with every string in it redacted."""
        return _mapped(value, lambda text: printable(self.text(text)))


def printable(text: str) -> str:
    """Valid UTF-8: bytes that were smuggled in by ``surrogateescape`` are shown as ``\\xNN``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable_value(value: Any) -> Any:
    """A JSON-like value with every string in it made printable.

    For facts, which hold what a program measured and never what it was given: a weak password that is also the name of
    the bucket must not turn the backup's address into asterisks.
    """
    return _mapped(value, printable)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(str(key)): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mapped(item, change) for item in value]
    return value
