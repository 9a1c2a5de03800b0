"""Rows on disk from the second on in which they came: a file that only grows, and is whole up to its last batch, whatever ended its writer.

It is a stream of Arrow's (`pyarrow.ipc.open_stream` reads it; its name ends in `.arrows`). When a run ends it becomes a Parquet file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

SUFFIX = ".arrows"
_GROUP = 50_000
"""Rows of a group of a Parquet file, at least, unless it ends: some 40 MB of turns in memory."""


class Journal:
    """Appends batches to a file of its own. `rows`: how many are in it. Raises OSError where it cannot be made or written to."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, columns, 0
        self._file: IO[bytes] = path.open("wb", buffering=0)
        self._append(columns.serialize())

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows. Once this returns they outlive the process. Where it raises OSError the file is what it was."""
        self._append(batch.serialize())
        self.rows += batch.num_rows

    def close(self) -> None:
        """Append no more. Again does nothing."""
        self._file.close()

    def _append(self, message: pa.Buffer) -> None:
        end, left = self._file.tell(), memoryview(message)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            raise


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The whole batches of a journal, in their order; a last one that was cut off is passed over. Raises OSError where it cannot be
    opened."""
    with path.open("rb") as file:
        try:
            stream = pa.ipc.open_stream(file)
            while True:
                yield stream.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):
            return


def to_parquet(journal: Path, columns: pa.Schema, target: Path) -> int:
    """Make a Parquet file with these columns of a journal, which is removed; returns the number of rows. Raises OSError; the journal is
    still there then."""
    part = target.with_suffix(".part")
    rows, group, waiting = 0, [], 0
    try:
        with pq.ParquetWriter(part, columns, compression="zstd") as writer:
            for batch in batches(journal):
                group.append(batch)
                rows, waiting = rows + batch.num_rows, waiting + batch.num_rows
                if waiting >= _GROUP:
                    writer.write_table(pa.Table.from_batches(group))
                    group, waiting = [], 0
            if group:
                writer.write_table(pa.Table.from_batches(group))
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    journal.unlink()
    return rows
