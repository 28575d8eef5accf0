"""Reading a service's variables of the environment, with every problem noted at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path

from headrace.security.secret import Secret


class Variables:
    """The variables that begin with one prefix. Problems name the variable and the fix.

    A value that may be a secret is in no problem's text.
    """

    def __init__(self, prefix: str, environ: Mapping[str, str]) -> None:
        self.prefix = prefix
        self.problems: list[str] = []
        self._environ = environ

    def name(self, suffix: str) -> str:
        """The whole name of a variable."""
        return f"{self.prefix}_{suffix}"

    def names(self, suffixes: Collection[str]) -> str:
        """Several names for people."""
        return ", ".join(map(self.name, suffixes))

    def given(self, suffixes: Collection[str]) -> list[str]:
        """Which of these are set, and not to nothing."""
        return [suffix for suffix in suffixes if self.text(suffix)]

    def wrong(self, suffix: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(f"{self.name(suffix)}: {what}")

    def text(self, suffix: str) -> str:
        """A value; empty when it is not set."""
        return self._environ.get(self.name(suffix), "")

    def choice(self, suffix: str, allowed: Collection[str], default: str) -> str:
        """One of some words; notes any other."""
        value = self.text(suffix) or default
        if value not in allowed:
            self.wrong(suffix, f"{value!r}: use one of {', '.join(allowed)}")
            return default
        return value

    def file(self, suffix: str) -> Path | None:
        """A file that can be read; notes one that can't."""
        value = self.text(suffix)
        if not value:
            return None
        try:
            with Path(value).open("rb"):
                return Path(value)
        except OSError as error:
            self.wrong(suffix, f"{value!r}: {error.strerror}")
            return None

    def secret(self, suffix: str) -> Secret | None:
        """A secret by its variable, or by ``_FILE`` with the name of a file that holds it.

        White space at the end of the file does not count: editors and ``echo`` leave a newline.
        """
        by_file = f"{suffix}_FILE"
        if self.text(suffix) and self.text(by_file):
            self.wrong(suffix, f"{self.name(by_file)} is set, too: keep one of them")
            return None
        if self.text(suffix):
            return Secret(self.text(suffix))
        path = self.file(by_file)
        if path is None:
            return None
        try:
            text = path.read_text(encoding="utf-8").rstrip()
        except UnicodeDecodeError:
            self.wrong(by_file, f"{str(path)!r}: not UTF-8 text")
            return None
        if not text:
            self.wrong(by_file, f"{str(path)!r} is empty")
            return None
        return Secret(text)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Note every variable of the prefix that nobody reads."""
        for name in sorted(self._environ):
            suffix = name.removeprefix(f"{self.prefix}_")
            if suffix == name or suffix in known:
                continue
            near = difflib.get_close_matches(suffix, known, n=1)
            hint = f"; did you mean {self.name(near[0])}?" if near else ""
            self.wrong(suffix, f"there is no such variable{hint}")
