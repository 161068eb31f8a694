import multiprocessing
import os
import signal
import time
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from squadron.artifacts import read_record
from squadron.errors import InputError
from squadron.retrieval import MEAN, POOLINGS, IndexRecord, PassageIndex, find_passages
from squadron.retrieval.index import RECORD
from tests.at_once import call_at_once
from tests.limits import PATIENCE_SECONDS
from tests.unit.retrieval.indexes import (
    WordEncoder,
    add_own_documents,
    make_document,
    open_index,
    update_and_die,
    update_without_end,
    version,
)


def texts_of(index: PassageIndex) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in index.table.search().select(["document", "text"]).to_list():
        found.setdefault(row["document"], []).append(row["text"])
    return {name: sorted(texts) for name, texts in found.items()}


def encoded_by(index: PassageIndex) -> list[str]:
    assert isinstance(index.encoder, WordEncoder)
    return index.encoder.encoded


def test_documents_are_found_again_after_opening(tmp_path: Path) -> None:
    place = str(tmp_path / "new" / "index")
    document = make_document("a.pdf", "Lions roar.", "Sheep bleat.", section="Animals")
    open_index(place).update([document])
    index = PassageIndex.open(place, WordEncoder())
    assert index.documents() == {"a.pdf": document.digest}
    for question, passage in zip(["lions", "sheep"], document.passages, strict=True):
        assert find_passages(index, question, "bm25")[0].passage == passage


def test_an_unchanged_document_is_not_encoded_again(tmp_path: Path) -> None:
    first = version("a", 1)
    before = open_index(str(tmp_path)).update([first])
    index = open_index(str(tmp_path))
    table_version = index.table.version
    assert index.update([first]) == before
    assert encoded_by(index) == []
    assert index.table.version == table_version, "nothing is written either"


def test_of_a_changed_document_only_new_texts_are_encoded(tmp_path: Path) -> None:
    index = open_index(str(tmp_path))
    index.update([make_document("a", "One.", "Two."), make_document("b", "Four.")])
    encoded_by(index).clear()
    index.update([make_document("a", "Zero.", "One.", "Three.")])
    assert encoded_by(index) == ["Zero.", "Three."]
    assert texts_of(index) == {"a": ["One.", "Three.", "Zero."], "b": ["Four."]}
    vectors = index.table.search().select(["text", MEAN]).to_list()
    expected = WordEncoder().encode([row["text"] for row in vectors], [MEAN])[MEAN]
    np.testing.assert_allclose([row[MEAN] for row in vectors], expected)


def test_removed_documents_are_gone_and_others_stay(tmp_path: Path) -> None:
    index = open_index(str(tmp_path))
    index.update([make_document("it's.md", "Lions roar."), make_document("b", "Sheep bleat.")])
    record = index.update([], removed=["it's.md", "unknown"])
    assert texts_of(index) == {"b": ["Sheep bleat."]}
    assert (record.documents, record.passages) == (1, 1)
    assert find_passages(index, "lions", "bm25") == []


def test_changes_are_new_changed_unchanged_and_missing_documents(tmp_path: Path) -> None:
    index = open_index(str(tmp_path))
    index.update([make_document(name, "Text.", digest=f"{name}1") for name in "abc"])
    changes = index.find_changes({"a": "a1", "b": "b2", "d": "d1"})
    assert changes.unchanged == ("a",)
    assert changes.changed == ("b", "d")
    assert changes.missing == ("c",)


def test_the_digest_depends_on_the_content_alone(tmp_path: Path) -> None:
    one, two = open_index(str(tmp_path / "1")), open_index(str(tmp_path / "2"))
    one.update([version("a", 1), version("b", 1)])
    two.update([version("b", 2), version("c", 1)])
    two.update([version("b", 1)], removed=["c"])
    assert one.describe() != two.describe()
    assert two.update([version("a", 1)]) == one.describe()


def test_the_record_is_beside_the_table(tmp_path: Path) -> None:
    record = open_index(str(tmp_path)).update([version("a", 1)])
    assert read_record(IndexRecord, tmp_path / RECORD) == record
    assert (record.documents, record.passages) == (1, 20)
    assert record.settings.encoder_fingerprint == "words-1"
    assert record.settings.poolings == POOLINGS


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    open_index(str(tmp_path))
    for opening in (PassageIndex.open, PassageIndex.open_or_create):
        with pytest.raises(InputError, match="was built with the encoder 'words' \\(words-1\\)"):
            opening(str(tmp_path), WordEncoder("words-2"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"poolings": [MEAN]}, "other vectors: \\['mean', 'first_token'\\], not \\['mean'\\]"),
        ({"poolings": POOLINGS, "passage_settings": "9"}, "other passages: '', not '9'"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, settings: dict[str, str], problem: str) -> None:
    open_index(str(tmp_path))
    with pytest.raises(InputError, match=problem):
        PassageIndex.open_or_create(str(tmp_path), WordEncoder(), **settings)  # type: ignore[arg-type]


def test_a_place_without_an_index_is_named_and_not_made(tmp_path: Path) -> None:
    place = tmp_path / "none"
    with pytest.raises(InputError, match=r"There is no index in .*none; build it"):
        PassageIndex.open(str(place), WordEncoder())
    assert not place.exists()


def test_a_table_of_another_program_is_refused(tmp_path: Path) -> None:
    lancedb.connect(str(tmp_path)).create_table("passages", pa.table({"a": [1]}))
    with pytest.raises(InputError, match="is no index of Squadron"):
        open_index(str(tmp_path))


def test_a_damaged_index_gives_one_sentence(tmp_path: Path) -> None:
    index = open_index(str(tmp_path))
    index.update([version("a", 1)])
    for file in (tmp_path / "passages.lance" / "data").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(InputError, match=r"The index .* can't be read: [^\n]*\. Check the place"):
        PassageIndex.open(str(tmp_path), WordEncoder()).describe()


@pytest.mark.parametrize(
    ("documents", "removed", "problem"),
    [
        ([version("a", 1), version("a", 2)], [], "given twice"),
        ([version("a", 1)], ["a"], "given twice, or is both"),
        ([make_document("a", "T."), make_document("a", "T.")], [], "given twice"),
    ],
)
def test_contradicting_documents_are_refused(
    tmp_path: Path, documents: list[object], removed: list[str], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        open_index(str(tmp_path)).update(documents, removed)  # type: ignore[arg-type]


def test_a_document_without_passages_removes_its_old_ones(tmp_path: Path) -> None:
    index = open_index(str(tmp_path))
    index.update([version("a", 1), version("b", 1)])
    index.update([make_document("a")])
    assert list(index.documents()) == ["b"]


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "index")
    ((one, two),) = call_at_once(add_own_documents, [(place, 4)], tmp_path)
    index = open_index(place)
    assert texts_of(index).keys() == {*one, *two, "shared"}
    assert index.documents()["shared"] == version("shared", 3, 5).digest
    expected = [version(name, 1, 3) for name in (*one, *two)] + [version("shared", 3, 5)]
    other = open_index(str(tmp_path / "other"))
    assert (
        other.update(expected) == index.describe() == read_record(IndexRecord, Path(place, RECORD))
    )


@pytest.mark.parametrize("number", [1, 2])
def test_a_document_that_two_processes_added_at_once_is_put_right(
    tmp_path: Path, number: int
) -> None:
    open_index(str(tmp_path)).update([version("b", 1)])
    one, two = open_index(str(tmp_path)), open_index(str(tmp_path))
    for index, document in ((one, version("a", 1)), (two, version("a", number))):
        index._replace(index._make_rows([document], []), ["a"])  # without the lock, as in S3
    assert one.documents() == {"a": "", "b": version("b", 1).digest}
    one.update([version("a", 1)])
    assert_whole(one, {"a": "v1", "b": "v1"})


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("_replace", {"a": "v1", "b": "v1"}),  # everything is encoded, nothing is committed
        ("_tidy", {"a": "v2", "c": "v2"}),  # committed, but not in the full-text index
        ("describe", {"a": "v2", "c": "v2"}),
    ],
)
def test_a_killed_update_leaves_the_old_or_the_new_index(
    tmp_path: Path, method: str, expected: dict[str, str]
) -> None:
    open_index(str(tmp_path)).update([version("a", 1), version("b", 1)])
    process = multiprocessing.get_context("spawn").Process(
        target=update_and_die, args=(str(tmp_path), method)
    )
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    index = PassageIndex.open(str(tmp_path), WordEncoder())
    assert_whole(index, expected)
    index.update([version("a", 2), version("c", 2)], removed=["b"])
    assert_whole(index, {"a": "v2", "c": "v2"})


def assert_whole(index: PassageIndex, versions: dict[str, str]) -> None:
    """Checks that all passages of each document are of its version and can be found."""
    texts = texts_of(index)
    assert texts.keys() == versions.keys()
    for name, number in versions.items():
        assert texts[name] == sorted(
            version(name, int(number[1:])).passages[p].text for p in range(20)
        )
    for method in ("bm25", "dense", "hybrid"):
        words = " ".join(set(versions.values()))
        found = find_passages(index, f"version {words} passage", method, top_k=500)
        assert len(found) == 20 * len(versions), method


def test_an_index_killed_at_any_moment_is_whole(tmp_path: Path) -> None:
    open_index(str(tmp_path)).update([version("a", 1), version("b", 1)])
    context = multiprocessing.get_context("spawn")
    newest = 1
    for more in (0.0, 0.013, 0.031):
        process = context.Process(target=update_without_end, args=(str(tmp_path),))
        process.start()
        index = open_index(str(tmp_path))
        first = index.table.version
        deadline = time.monotonic() + PATIENCE_SECONDS
        while index.table.version < first + 6 and time.monotonic() < deadline:
            time.sleep(0.01)
            index.table.checkout_latest()
        time.sleep(more)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        index = open_index(str(tmp_path))
        newest = int(texts_of(index)["a"][0].split()[1][1:])
        assert_whole(index, {"a": f"v{newest}", "b": f"v{newest}"})
        assert newest > 1
