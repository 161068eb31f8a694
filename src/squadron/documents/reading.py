"""Reads documents from files and folders."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from squadron.documents.document import Document, Refusal
from squadron.documents.extraction import Extractor
from squadron.documents.kinds import KINDS
from squadron.documents.limits import Limits


def read_documents(
    paths: Iterable[str | Path],
    limits: Limits | None = None,
    is_known: Callable[[str, Path], bool] = lambda name, path: False,
) -> Iterator[Document | Refusal]:
    """Yields a document or a refusal for every file.

    A refusal never ends the reading: the other files go on. Files in a folder whose kind is unknown
    are refused with `is_skipped`.

    Args:
        paths: Files, and folders, which are read with all folders in them. Files of a folder come
            in the order of their names. Hidden files and folders (".git") are left out.
        limits: What reading one file may cost.
        is_known: Called with the name and the path of each file that could be read. If it returns
            True, the file is not read, and nothing is yielded for it.
    """
    with Extractor(limits) as extractor:
        names: set[str] = set()
        places: set[Path] = set()
        for given in map(Path, paths):
            for path, short in _list_files(given):
                # The name of the folder tells two files apart that two folders have.
                name = short if short not in names else path.as_posix()
                if path.resolve() in places:
                    reason = f"{name} was given twice and is read once: give it once"
                    yield Refusal(name, reason, is_skipped=True)
                    continue
                names.add(name)
                places.add(path.resolve())
                refusal = _refuse(path, name, is_given=path == given)
                if refusal:
                    yield refusal
                elif not is_known(name, path):
                    yield extractor.extract(path, name)


def read_fetched(paths: Mapping[Path, str]) -> Iterator[Document | Refusal]:
    """Yields a document or a refusal for every file, as `read_documents` does.

    Names and reasons have the location where a path was fetched from it, because the folder of a
    download differs in every run.

    Args:
        paths: File or folder -> its location as its user knows it: the path itself, or where it
            was fetched from.
    """
    for found in read_documents(paths):
        for path, location in paths.items():
            if path != Path(location):
                found = replace(found, name=found.name.replace(str(path), location))
                if isinstance(found, Refusal):
                    found = replace(found, reason=found.reason.replace(str(path), location))
        yield found


def _refuse(path: Path, name: str, is_given: bool) -> Refusal | None:
    """Returns why a file is not even opened; None if it can be read."""
    kinds = ", ".join(KINDS)
    if not path.exists():
        return Refusal(name, f"{name} does not exist: check the path {path}")
    if path.is_dir():
        return Refusal(name, f"{path} has no files: give a folder with {kinds} files")
    if not path.is_file():
        return Refusal(name, f"{name} is no plain file: leave it out")
    if path.suffix.lower() not in KINDS:
        reason = f"{name} is no kind of document that can be read: convert it to one of {kinds}"
        return Refusal(name, reason, is_skipped=not is_given)
    return None


def _list_files(given: Path) -> Iterator[tuple[Path, str]]:
    """Yields (file, its name for people); the path itself if it is a file or has no files."""
    if not given.is_dir():
        yield given, given.name
        return
    found = False
    for path in sorted(given.rglob("*")):
        parts = path.relative_to(given).parts
        if path.is_dir() or any(part.startswith(".") for part in parts):
            continue
        found = True
        yield path, "/".join(parts)
    if not found:
        yield given, given.name
