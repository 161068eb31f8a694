"""Columns of numbers that grow part by part, in memory or in a temporary file."""

import io
import mmap
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class Column:
    """Numbers of one type. In a temporary file they need no memory, however many there are.

    Args:
        dtype: The type of the numbers.
        folder: Where the temporary file is made, which has no name and vanishes with this object.
            None keeps the numbers in memory.
    """

    def __init__(self, dtype: npt.DTypeLike, folder: Path | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self._file: Any = tempfile.TemporaryFile(dir=folder) if folder else io.BytesIO()  # noqa: SIM115

    def __del__(self) -> None:
        # Arrays that are mapped from the file stay as they are.
        self._file.close()

    def __len__(self) -> int:
        return int(self._file.tell()) // self.dtype.itemsize

    def add(self, values: Any) -> None:
        """Adds numbers at the end."""
        self._file.write(np.ascontiguousarray(values, self.dtype).tobytes())

    def read(self, start: int, end: int) -> npt.NDArray[Any]:
        """Returns a copy of the numbers from `start` to `end` - 1, or to the last one."""
        place = self._file.tell()
        self._file.seek(start * self.dtype.itemsize)
        found = self._file.read(max(0, end - start) * self.dtype.itemsize)
        self._file.seek(place)
        return np.frombuffer(found, self.dtype)

    def array(self) -> npt.NDArray[Any]:
        """Returns all numbers that were added so far; those of a file are mapped into memory."""
        if not len(self):
            return np.zeros(0, self.dtype)
        if isinstance(self._file, io.BytesIO):
            return np.frombuffer(self._file.getvalue(), self.dtype)
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, self.dtype)
