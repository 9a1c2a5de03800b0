"""A journal: what a run has measured, on disk from the second on in which it came, whatever ends its writer.

A file that only grows, of entries of plain data (msgpack), each with its length and checksum before it: one that was cut off, or torn, is
told by them. The master keeps one of each run, of all its workers' batches; a worker that loses its master leaves one of what was not
acknowledged. When a run ends, `to_parquet` makes its tables of it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgpack
import pyarrow as pa
import pyarrow.parquet as pq

from reporting.lock import hold

SUFFIX = ".journal"
_HEAD = struct.Struct(">II")
_GROUP = 50_000
"""Rows of a group of a Parquet file, at least, unless it ends: some 40 MB of turns in memory."""

Entry = dict[str, Any]


def spool(parent: Path, run_id: str, worker: str) -> Path:
    """The journal of what this worker could not report; beside the run's folder, `recover` finds it."""
    return parent / f"{run_id}.{worker}{SUFFIX}"


def spools(run: Path) -> list[Path]:
    """Those that lie beside a run's folder. A worker's name has no dot; a run's may have."""
    start = f"{run.name}."
    return sorted(path for path in run.parent.glob(f"*{SUFFIX}") if path.stem.startswith(start) and "." not in path.stem[len(start) :])


class Journal:
    """Appends entries to a file of its own. Raises OSError where it cannot be made or written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("wb", buffering=0)
        hold(self._file)  # so that nobody takes it for one that was left behind

    def add(self, entry: Entry) -> None:
        """Append an entry. Once this returns it outlives the process. Where it raises OSError the file is what it was."""
        body = msgpack.packb(entry)
        end, left = self._file.tell(), memoryview(_HEAD.pack(len(body), zlib.crc32(body)) + body)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            raise

    def close(self) -> None:
        """Append no more. Again does nothing."""
        self._file.close()


def entries(path: Path) -> Iterator[Entry]:
    """The whole entries of a journal, in their order, up to one that was cut off or torn. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            if not 0 < length <= size - file.tell():  # zeros, as a machine that lost its power may leave, are none
                return
            body = file.read(length)
            if zlib.crc32(body) != checksum:
                return
            yield msgpack.unpackb(body)


def to_parquet(found: Iterable[Mapping[str, list[bytes]]], schemas: Mapping[str, pa.Schema], folder: Path) -> None:
    """Make the Parquet files of `schemas`, one by its name each, of what was found: record batches as Arrow's messages, by the name of
    their table. Raises OSError, and what `found` raises; no half of one is left then."""
    files: dict[str, _ParquetFile] = {}
    try:
        for name, columns in schemas.items():
            files[name] = _ParquetFile(folder / f"{name}.parquet", columns)
        for tables in found:
            for name, messages in tables.items():
                for message in messages:
                    files[name].add(message)
        for file in files.values():
            file.finish()
    except Exception:
        for file in files.values():
            file.part.unlink(missing_ok=True)
        raise


class _ParquetFile:
    """A Parquet file in the making; it is there when it is finished."""

    def __init__(self, target: Path, columns: pa.Schema) -> None:
        self.part = target.with_suffix(".part")
        self._target, self._schema = target, columns
        self._writer = pq.ParquetWriter(self.part, columns, compression="zstd", write_page_checksum=True)
        self._group: list[pa.RecordBatch] = []
        self._waiting = 0

    def add(self, message: bytes) -> None:
        batch = pa.ipc.read_record_batch(pa.py_buffer(message), self._schema)
        self._group.append(batch)
        self._waiting += batch.num_rows
        if self._waiting >= _GROUP:
            self._write()

    def _write(self) -> None:
        if self._group:
            self._writer.write_table(pa.Table.from_batches(self._group))
        self._group, self._waiting = [], 0

    def finish(self) -> None:
        self._write()
        self._writer.close()
        self.part.replace(self._target)
