"""The folder or bucket that an archive lies in, by fsspec: files are there as a whole or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from headrace.archive import names
from headrace.archive.names import File
from headrace.errors import ConfigError, Transient

#: What fsspec calls the local file system.
LOCAL = "file"


class Store:
    """Files by their paths below a URL. Methods raise Transient, or ConfigError if refused."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError if nothing here can open such a URL."""
        self.url = url
        try:
            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"archive {url!r}: can't be opened: {error}; S3 needs pip install 'headrace[s3]'"
            ) from error
        self._root = root.rstrip("/")
        protocol = self._fs.protocol
        self._local = LOCAL in ((protocol,) if isinstance(protocol, str) else protocol)

    def files(self, topic: str) -> list[File]:
        """All whole files of a topic, by partition and offset."""
        return sorted(file for path in self._paths(topic) if (file := names.read(path)))

    def beside(self, folder: str) -> list[File]:
        """The whole files of one folder."""
        return sorted(file for path in self._paths(folder) if (file := names.read(path)))

    def sweep(self, topic: str) -> int:
        """Remove what a writer that is no more has left unfinished; returns how many."""
        left = [path for path in self._paths(topic) if names.UNFINISHED.search(path)]
        for path in left:
            self.remove(path)
        return len(left)

    def open(self, path: str) -> Any:
        """A file to read from, at any place."""
        with self._explained(path):
            return self._fs.open(self._at(path), "rb")

    def create(self, path: str) -> Any:
        """A file to write; its folder is made."""
        with self._explained(path):
            self._fs.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)
            return self._fs.open(self._at(path), "wb")

    def place(self, unfinished: str, file: File) -> None:
        """Give a file that was closed its name, at once: nobody ever sees a part of it.

        Locally a rename, after the bytes are on the disk. An object store copies (an object is
        there when all of it is) and removes the other name; what a crash leaves of that, ``sweep``
        removes.
        """
        old, new = self._at(unfinished), self._at(file.path)
        with self._explained(file.path):
            if not self._local:
                self._fs.mv(old, new)
                return
            _flush(old)
            os.replace(old, new)
            _flush(os.path.dirname(new))

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is as good."""
        with self._explained(path):
            try:
                self._fs.rm_file(self._at(path))
            except FileNotFoundError:
                return

    def _paths(self, below: str) -> list[str]:
        with self._explained(below):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._at(below))
            except FileNotFoundError:
                return []
        return [str(path)[len(self._root) + 1 :] for path in found]

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise ConfigError(
                f"archive {self.url!r}: {path}: not allowed: {error}; grant read, write, list and "
                f"delete below it"
            ) from error
        except Exception as error:  # every kind of store has errors of its own
            raise Transient(f"archive {self.url!r}: {path}: {error}") from error


def _flush(path: str) -> None:
    """Have a file's bytes, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
