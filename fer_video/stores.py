"""Stores that are reached by an address, such as S3: list, fetch, put. The only home of fsspec."""

import errno
import os
import secrets
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_video.addresses import scheme_of
from fer_video.errors import (
    FerVideoError,
    MissingExtra,
    OptionError,
    OutputError,
    VideoError,
    cannot_write,
)

_CHUNK_BYTES = 4 * 2**20
_OBJECT_STORES = frozenset(["abfs", "abfss", "adl", "az", "gcs", "gs", "oci", "oss", "s3", "s3a"])
"""Schemes of stores that know no folders: an object appears with its last byte."""
_WITH_HOSTS = frozenset(["ftp", "hdfs", "sftp", "smb", "ssh", "webhdfs"])
"""Schemes of which fsspec takes what follows a ``?`` in a name for a query."""
_IN_THE_EXTRA = frozenset(["s3", "s3a"])
_VERSION_KEYS = ("ETag", "etag", "generation", "LastModified", "last_modified", "mtime", "created")
"""Where file systems keep what changes with the content, the most telling first."""
_PROBE = ".fer-video-may-write"
_TRIES = 3
"""To copy a file that others may replace meanwhile."""
_REASONS = {
    "InvalidObjectState": "it is archived: have the store restore it first",
    "RequestTimeTooSkewed": "the clock of this machine is wrong, and the store refuses it",
    "SlowDown": "the store is asked too often: try fewer --jobs",
}
"""By the code that a store gives; others say it in the kind of their error."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file on a store."""

    address: str
    name: str
    """Its path below what was asked for."""
    size_bytes: int
    version: str
    """What the store says about its content, such as an ETag; empty if it says nothing."""


def files_at(address: str) -> list[Stored]:
    """Describe the file at an address, or all files below it, in the order of their names.

    Raises:
        VideoError: There is nothing, or the store refuses or cannot be reached.
        MissingExtra: No package for such addresses is installed.
    """
    with _told(VideoError, address):
        store, root = _open(address)
        store.invalidate_cache()
        about_root = store.info(root)
        is_file = about_root["type"] == "file"
        found = {root: about_root} if is_file else store.find(root, detail=True)
    files = [
        _stored(address, root, path, about)
        for path, about in found.items()
        if about["type"] == "file"  # some stores list a folder as an object of its own
    ]
    return sorted(files, key=lambda file: file.name)


def _stored(address: str, root: str, path: str, about: dict[str, Any]) -> Stored:
    below = path.removeprefix(root).removeprefix("/")
    version = next((about[key] for key in _VERSION_KEYS if about.get(key)), "")
    return Stored(
        address=f"{address}/{below}" if below else address,
        name=below or path.rpartition("/")[2],
        size_bytes=about["size"] or 0,
        version=str(version).strip('"'),
    )


def fetch(address: str, size_bytes: int, path: Path) -> Generator[int, None, None]:
    """Copy a file to ``path``, yielding the number of bytes that are there.

    Raises:
        VideoError: It cannot be read, or is not as long as it was said to be.
        OutputError: ``path`` cannot be written.
    """
    done_bytes = 0
    try:
        path.touch()
        # not emptied before: its length holds room in the spool
        with closing(_chunks(address)) as chunks, path.open("r+b") as file:
            for chunk in chunks:
                done_bytes += len(chunk)
                if done_bytes > size_bytes:
                    break
                file.write(chunk)
                yield done_bytes
    except OSError as error:
        raise cannot_write(path, error) from error
    if done_bytes != size_bytes:
        raise VideoError(address, "it changed while it was copied: analyze it again")


def _chunks(address: str) -> Generator[bytes, None, None]:
    with _told(VideoError, address):
        store, key = _open(address)
        with store.open(key, "rb", **_reading(address)) as remote:
            while chunk := remote.read(_CHUNK_BYTES):
                yield chunk


def _reading(address: str) -> dict[str, Any]:
    """Ask for no more at a time than is told of: object stores would read 50 MB ahead."""
    if scheme_of(address) in _OBJECT_STORES:
        return {"block_size": _CHUNK_BYTES, "cache_type": "none"}
    return {}


def put(path: Path, address: str) -> str:
    """Copy a file to an address, where it appears whole or not at all.

    Returns:
        What the store says of its content; see ``Stored.version``.

    Raises:
        OutputError: The store refuses or cannot be reached.
    """
    with _told(OutputError, address):
        store, key = _open(address)
        if scheme_of(address) in _OBJECT_STORES:
            store.put_file(str(path), key)
        else:
            _put_and_rename(store, path, key)
    stored = find(address)
    return stored.version if stored else ""


def _put_and_rename(store: Any, path: Path, key: str) -> None:
    folder, _, name = key.rpartition("/")
    temporary = f"{folder}/.{secrets.token_hex(4)}.{name}"
    store.makedirs(folder, exist_ok=True)
    try:
        store.put_file(str(path), temporary)
        store.mv(temporary, key)
    finally:
        with suppress(Exception):
            store.rm_file(temporary)


def find(address: str) -> Stored | None:
    """Describe the file at an address; None if there is none.

    Raises:
        OutputError: The store cannot be reached.
    """
    with _told(OutputError, address):
        store, key = _open(address)
        store.invalidate_cache()
        try:
            # not exists(), which takes any failure for an absence
            about = store.info(key)
        except FileNotFoundError:
            return None
        return _stored(address, key, key, about)


def fetch_if_there(address: str, path: Path) -> None:
    """Copy a file to ``path``; nothing if there is none.

    Raises:
        OutputError: The store cannot be reached, or ``path`` cannot be written.
        VideoError: The file changes whenever it is copied.
    """
    for left in reversed(range(_TRIES)):
        stored = find(address)
        if stored is None:
            return
        try:
            deque(fetch(address, stored.size_bytes, path), maxlen=0)
        except VideoError:
            if not left:
                raise
            path.unlink()
        else:
            return


def check_writable(address: str) -> None:
    """Make sure, before any work, that files can be put below an address, by doing it.

    Raises:
        OutputError: They cannot.
    """
    probe = f"{address}/{_PROBE}"
    with _told(OutputError, address):
        store, key = _open(probe)
        if scheme_of(address) not in _OBJECT_STORES:  # there it would make a new bucket
            store.makedirs(key.rpartition("/")[0], exist_ok=True)
        store.pipe_file(key, b"")
        with suppress(PermissionError):  # who may write need not be allowed to delete
            store.rm_file(key)


def _open(address: str) -> tuple[Any, str]:
    """Return the store of an address, and the path within it.

    Raises:
        MissingExtra: A package is missing that fer-video[remote] brings.
        OptionError: No installed package reads such addresses.
    """
    scheme = scheme_of(address) or ""
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(scheme)
        # not fsspec.url_to_fs: it takes a "::" in the name of a file for a chain of stores
        return kind(**kind._get_kwargs_from_urls(address)), _key(kind, address)
    except ModuleNotFoundError as error:
        raise MissingExtra("remote", f"{scheme}://") from error
    except ImportError as error:
        if scheme in _IN_THE_EXTRA:
            raise MissingExtra("remote", f"{scheme}://") from error
        raise OptionError(f"{scheme}:// needs a package of its own: {error}") from error
    except (TypeError, ValueError) as error:
        raise OptionError(f"no package that is installed reads {scheme}:// addresses") from error


def _key(kind: Any, address: str) -> str:
    """Return the path of an address within its store."""
    if scheme_of(address) in _WITH_HOSTS:
        return "/" + address.partition("://")[2].partition("/")[2]
    key: str = kind._strip_protocol(address)
    return key


@contextmanager
def _told(kind: type[VideoError] | type[OutputError], address: str) -> Iterator[None]:
    """Say in our own words what went wrong at a store.

    Theirs may quote a request with its signature, hence also ``from None``.
    """
    try:
        yield
    except FerVideoError:
        raise
    except Exception as error:
        _forget(address)
        raise kind(address, _reason(error)) from None


def _forget(address: str) -> None:
    """Let the next try look for credentials anew: fsspec keeps stores as it first made them."""
    import fsspec

    fsspec.get_filesystem_class(scheme_of(address)).clear_instance_cache()


def _reason(error: Exception) -> str:
    response = getattr(error.__cause__, "response", None) or {}  # of the libraries for S3
    code = response.get("Error", {}).get("Code", "")
    if code in _REASONS:
        return _REASONS[code]
    if isinstance(error, FileNotFoundError):
        return "the store has no such object or bucket"
    if isinstance(error, PermissionError):
        return "the store denies access: check the credentials and what they permit"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return os.strerror(error.errno).lower()
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return "there are no credentials for it in the environment or a configuration file"
    return f"the store cannot be reached or does not answer ({type(error).__name__})"
