"""Reads data sets of the library `datasets`: a folder that `Dataset.save_to_disk` wrote.

The records are those of `flat`. A folder of `DatasetDict.save_to_disk` holds one folder per split:
name the split's own folder, such as squad/train. A data set of the Hugging Face hub arrives here as
a file of JSON lines (`data/hub.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron.data.sources import Example, flat
from squadron.data.sources._records import BATCH_ROWS, FIELDS, first_line, read_records
from squadron.errors import InputError

SETTINGS = "data.source: hugging_face"
DICT_FILE = "dataset_dict.json"
"""Marks the folder of a DatasetDict."""
STATE_FILE = "state.json"
"""Marks the folder of a Dataset."""


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all questions of the data set, in its order.

    Raises:
        InputError: If the folder holds no data set or several splits, or a record lacks a field.
            The message names the row and the field.
    """
    if path.is_file():
        yield from flat.read_examples(path)
    else:
        yield from read_records(path, _read_folder(path))


def recognizes(path: Path) -> bool:
    """Says whether a folder was written by `save_to_disk`."""
    return path.is_dir() and ((path / DICT_FILE).is_file() or (path / STATE_FILE).is_file())


def _read_folder(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (place, record) of a folder, part by part."""
    dataset = _open_folder(path)
    columns = [name for name in FIELDS if name in dataset.column_names]
    row = 0
    try:
        parts = dataset.select_columns(columns).with_format("arrow")
        for part in parts.iter(batch_size=BATCH_ROWS):
            # Arrow trusts its files. Broken offsets would read other memory.
            part.validate(full=True)
            for record in part.to_pylist():
                row += 1
                yield f"row {row}", record
    except Exception as error:  # a broken file: of Arrow, of the system, or of another kind
        raise InputError(
            f"The data set {path} can't be read after row {row}: {first_line(error)}; save it again"
        ) from None


def _open_folder(path: Path) -> Any:
    if not path.is_dir():
        raise InputError(
            f"The data set {path} does not exist; check data -> train, train_only and test"
        )
    if not recognizes(path):
        raise InputError(
            f"The folder {path} is no data set: it has neither {DICT_FILE} nor {STATE_FILE}; give "
            "a folder that `save_to_disk` of the library datasets wrote"
        )
    import datasets

    try:
        # Without a copy: large data sets stay on disk.
        dataset = datasets.load_from_disk(str(path), keep_in_memory=False)
    except Exception as error:  # a broken folder: JSON, Arrow, missing keys, wrong types
        raise InputError(
            f"The data set {path} can't be opened: {first_line(error)}; save it again"
        ) from None
    if isinstance(dataset, datasets.DatasetDict):
        names = sorted(dataset)
        raise InputError(
            f"The data set {path} has the splits {names}; give the folder of one of them, such as "
            f"{path / (names or ['train'])[0]}"
        )
    return dataset
