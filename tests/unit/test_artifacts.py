import json
import os
import re
import stat
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.artifacts import (
    CANDIDATES,
    EXAMPLES,
    WINDOWS,
    Column,
    encode_contexts,
    read_contexts,
    read_json,
    read_origin,
    read_parts,
    read_table,
    read_windows,
    write_json,
    write_table,
    write_windows,
    written_whole,
)
from squadron.errors import InputError

ROWS = [
    {
        "id": "q1",
        "title": "東京",
        "question": "Who? 😀",
        "context": "Désiré\r\nsang  twice.",
        "answers": [{"text": "Désiré", "start_char": 0}, {"text": "sang", "start_char": 8}],
        "reasoning_type": "factual",
        "label_source": "data",
    },
    {
        "id": "q2",
        "title": "",
        "question": "",
        "context": "c",
        "answers": [],
        "reasoning_type": "",
        "label_source": "rules",
    },
]
CONTEXTS = [
    {"input_ids": [7, 9, 3], "start_chars": [0, 1, 5], "end_chars": [1, 4, 6]},
    {"input_ids": [], "start_chars": [], "end_chars": []},
]
WINDOW_ROWS = [
    {
        "example_id": f"q{number}",
        "question_ids": [2, 7, 3],
        "context": CONTEXTS[number % 2],
        "room": 2,
        "step": 1,
        "windows": 2,
        "labels": [{"window": 1, "start_token": 3, "end_token": 4}] * (number % 3),
        "reasoning_type": 2,
    }
    for number in range(50)
]


def make_examples():
    return pa.Table.from_pylist(ROWS, schema=EXAMPLES)


def make_windows(rows=WINDOW_ROWS):
    place = WINDOWS.get_field_index("context")
    context = pa.DictionaryArray.from_arrays(
        pa.array([CONTEXTS.index(row["context"]) for row in rows], pa.int32()),
        pa.array(CONTEXTS, WINDOWS.field("context").type.value_type),
    )
    others = pa.Table.from_pylist(rows, schema=WINDOWS.remove(place))
    return others.add_column(place, WINDOWS.field("context"), context)


def with_contexts(contexts):
    rows = [{**ROWS[0], "id": f"q{number}"} for number in range(len(contexts))]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    place = EXAMPLES.get_field_index("context")
    return table.set_column(place, EXAMPLES.field(place), encode_contexts(contexts))


def message_of(function, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def read_examples(path, made_from=None):
    return read_table(path, schema="examples/1", made_from=made_from)


def read_examples_in_parts(path, made_from=None):
    parts = list(read_parts(path, schema="examples/1", made_from=made_from))
    return pa.concat_tables(parts)


def read_metrics(path, made_from=None):
    return read_json(path, schema="metrics/1", made_from=made_from)


def write_examples(path):
    write_table(path, make_examples(), schema="examples/1", made_from="abc")


def write_metrics(path):
    write_json(path, {"exact": 61.25}, schema="metrics/1", made_from="abc")


def write_some_windows(path):
    write_windows(path, make_windows(), about={"squadron.key": "k"})


KINDS = [
    pytest.param(write_examples, read_examples, id="table"),
    pytest.param(write_examples, read_examples_in_parts, id="parts"),
    pytest.param(write_metrics, read_metrics, id="json"),
    pytest.param(write_some_windows, read_windows, id="windows"),
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[1:], []])
def test_a_table_comes_back_as_it_was(rows, tmp_path):
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    path = tmp_path / "new" / "folder" / "train.parquet"
    write_table(path, table, schema="examples/1", made_from="abc")
    back = read_examples(path, "abc")
    assert back.to_pylist() == rows
    assert back.schema.equals(EXAMPLES)
    assert back.schema.metadata == {
        b"squadron.schema": b"examples/1",
        b"squadron.made_from": b"abc",
    }


def test_a_table_comes_back_in_parts_with_texts_encoded(tmp_path, monkeypatch):
    monkeypatch.setattr("squadron.artifacts.tables.PART_ROWS", 7)
    rows = [{**ROWS[0], "id": f"q{number // 3}"} for number in range(20)]
    path = tmp_path / "train.parquet"
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    write_table(path, table, schema="examples/1", made_from="abc")
    parts = list(read_parts(path, schema="examples/1"))
    assert [len(part) for part in parts] == [7, 7, 6]
    assert [row for part in parts for row in part.to_pylist()] == rows
    assert pa.types.is_dictionary(parts[0].schema.field("id").type)


def test_a_folder_that_looks_like_a_partition_adds_no_column(tmp_path):
    path = tmp_path / "split=train" / "train.parquet"
    write_examples(path)
    assert read_examples(path).column_names == EXAMPLES.names


def test_candidates_keep_their_scores_to_the_bit(tmp_path):
    row = {
        "example_id": "q",
        "window": 0,
        "rank": 0,
        "start_char": 1,
        "end_char": 4,
        "score": 0.10000000149011612,
        "null_score": -3.4028234663852886e38,
    }
    table = pa.Table.from_pylist([row], schema=CANDIDATES)
    write_table(tmp_path / "c.parquet", table, schema="candidates/1", made_from="m")
    back = read_table(tmp_path / "c.parquet", schema="candidates/1")
    assert back.to_pylist() == [row]
    assert back.schema.equals(CANDIDATES)


@pytest.mark.parametrize("rows", [WINDOW_ROWS, []])
def test_windows_come_back_as_they_were(rows, tmp_path):
    path = tmp_path / "key" / "train.arrow"
    write_windows(path, make_windows(rows), about={"squadron.key": "k", "x": "y"})
    back = read_windows(path)
    assert back.to_pylist() == rows
    assert back.schema.equals(WINDOWS)
    assert back.schema.metadata == {
        b"squadron.schema": b"windows/2",
        b"squadron.key": b"k",
        b"x": b"y",
    }


def test_windows_of_several_chunks_come_back_whole(tmp_path):
    table = pa.concat_tables([make_windows().slice(7), make_windows().slice(0, 7)])
    write_windows(tmp_path / "w.arrow", table, about={})
    assert read_windows(tmp_path / "w.arrow").to_pylist() == table.to_pylist()


def test_a_context_that_many_examples_share_is_stored_and_read_once(tmp_path):
    context = "".join(chr(97 + number * number % 26) for number in range(100_000)) * 20
    count = 3_000
    contexts = encode_contexts([context] * count + ["other"])
    rows = [{**ROWS[0], "id": f"q{number}"} for number in range(count + 1)]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    table = table.set_column(
        EXAMPLES.get_field_index("context"), EXAMPLES.field("context"), contexts
    )
    path = tmp_path / "train.parquet"
    write_table(path, table, schema="examples/1", made_from="abc")
    before = pa.total_allocated_bytes()
    back = read_examples(path)
    # All examples with a copy each would be 6 GB.
    assert pa.total_allocated_bytes() - before < 50e6
    assert back.schema.equals(EXAMPLES)
    texts = read_contexts(back)
    assert len({id(text) for text in texts}) == 2
    assert texts == [context] * count + ["other"]
    assert read_contexts(back.slice(count)) == ["other"]


@given(st.lists(st.sampled_from(["", "é", "one", "three", "a longer one"])), st.integers(1, 20))
def test_examples_are_written_in_groups_with_their_own_contexts(contexts, limit):
    table = with_contexts(contexts)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("squadron.artifacts.contexts.GROUP_TEXT_BYTES", limit)
        path = Path(folder) / "train.parquet"
        write_table(path, table, schema="examples/1", made_from="abc")
        parts = list(read_parts(path, schema="examples/1", encode_texts=False))
        assert read_examples(path).to_pylist() == table.to_pylist()
    assert [row for part in parts for row in part.to_pylist()] == table.to_pylist()
    seen = set()
    for part in parts:
        (chunk,) = part["context"].chunks
        own = chunk.dictionary.to_pylist()
        assert sorted(own) == sorted(set(chunk.to_pylist())), "no context of another group"
        new = sum(len(text.encode()) for text in set(own) - seen)
        assert new < limit + max(len(text.encode()) for text in own) or limit == 1
        seen.update(own)


def test_examples_that_share_a_long_context_are_one_group(tmp_path, monkeypatch):
    monkeypatch.setattr("squadron.artifacts.contexts.GROUP_TEXT_BYTES", 10)
    path = tmp_path / "train.parquet"
    contexts = ["short", *["a long context" * 9] * 20, "short", "other"]
    write_table(path, with_contexts(contexts), schema="examples/1", made_from="abc")
    parts = list(read_parts(path, schema="examples/1"))
    assert [len(part) for part in parts] == [1, 22]


def test_only_some_columns_are_read(tmp_path):
    path = tmp_path / "train.parquet"
    write_examples(path)
    (part,) = read_parts(path, schema="examples/1", columns=("question", "id"), rows=100)
    assert sorted(part.column_names) == ["id", "question"]
    assert read_origin(path, schema="examples/1") == "abc"
    assert "has schema 'examples/1'" in message_of(read_origin, path, schema="examples/2")


@pytest.mark.parametrize("is_file", [False, True])
def test_a_column_grows_and_is_read_at_any_time(tmp_path, is_file):
    column = Column(np.int32, tmp_path if is_file else None)
    assert column.array().tolist() == column.read(0, 5).tolist() == []
    column.add([3, 1])
    first = column.array()
    assert column.read(1, 2).tolist() == [1]
    column.add(np.array([2**31 - 1, -(2**31)]))
    assert first.tolist() == [3, 1]
    assert column.array().tolist() == [3, 1, 2**31 - 1, -(2**31)]
    assert column.read(1, 9).tolist() == [1, 2**31 - 1, -(2**31)]
    assert column.read(4, 9).tolist() == []
    assert (len(column), column.array().dtype) == (4, np.int32)
    assert list(tmp_path.iterdir()) == []


def test_more_text_than_a_table_can_hold_is_refused(monkeypatch):
    monkeypatch.setattr("squadron.artifacts.contexts.MOST_TEXT_BYTES", 10)
    assert encode_contexts(["12345", "67890", "12345"]).to_pylist() == ["12345", "67890", "12345"]
    assert message_of(encode_contexts, ["12345", "6789é"]) == (
        "The 2 different contexts of one split have 11 bytes, at most 10 can be stored; give less "
        "data or lower data -> max_train_examples"
    )


def test_json_says_first_what_it_is_and_keeps_every_character(tmp_path):
    content = {"b": [1, None, 0.1], "a": {"é": "😀\n"}}
    write_json(tmp_path / "m.json", content, schema="metrics/1", made_from="abc")
    back = read_metrics(tmp_path / "m.json", "abc")
    assert back == {"schema": "metrics/1", "made_from": "abc", **content}
    assert list(back) == ["schema", "made_from", "b", "a"]
    text = (tmp_path / "m.json").read_text(encoding="utf-8")
    assert "😀" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize(("write", "read"), KINDS)
def test_a_missing_file_is_named_with_the_remedy(write, read, tmp_path):
    assert message_of(read, tmp_path / "x") == (
        f"The file {tmp_path / 'x'} does not exist; run the step that makes it"
    )


@pytest.mark.parametrize(("write", "read"), KINDS)
def test_a_file_torn_at_any_place_is_refused(write, read, tmp_path):
    path = tmp_path / "file"
    write(path)
    whole = path.read_bytes()
    # JSON is still whole without its last line break.
    lengths = {0, 1, 8, len(whole) // 2, len(whole) - 10, len(whole) - 2}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        assert re.match(rf"The file {re.escape(str(path))} is not ", message_of(read, path)), length
    path.write_bytes(whole)
    read(path)


@pytest.mark.parametrize(("write", "read"), KINDS)
def test_a_file_of_another_kind_is_refused(write, read, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" * 40)
    assert message_of(read, path).startswith(f"The file {path} is not readable JSON") or message_of(
        read, path
    ).startswith(f"The file {path} is not a readable ")


def test_a_table_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_examples(path)
    assert message_of(read_table, path, schema="examples/2") == (
        f"The file {path} has schema 'examples/1', 'examples/2' is needed; "
        "make it again with this version"
    )


def test_a_table_that_says_nothing_of_itself_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(make_examples(), path)
    assert message_of(read_examples, path).startswith(f"The file {path} has schema 'none', ")


def test_json_of_another_schema_or_of_none_is_refused(tmp_path):
    path = tmp_path / "m.json"
    write_metrics(path)
    assert "has schema 'metrics/1', 'model/1' is needed" in message_of(
        read_json, path, schema="model/1"
    )
    path.write_text("{}")
    assert "has schema 'none', 'metrics/1' is needed" in message_of(read_metrics, path)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"schema"'])
def test_json_that_is_no_object_is_refused(text, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(text)
    assert message_of(read_metrics, path) == f"The file {path} is not a JSON object"


def test_windows_of_another_schema_are_refused(tmp_path):
    path = tmp_path / "w.arrow"
    write_windows(path, make_windows(), about={"squadron.schema": "windows/0"})
    assert "has schema 'windows/0', 'windows/2' is needed" in message_of(read_windows, path)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, WINDOWS) as writer:
        writer.write_table(make_windows())
    assert "has schema 'none', 'windows/2' is needed" in message_of(read_windows, path)


@pytest.mark.parametrize(
    ("write", "read"), [(write_examples, read_examples), (write_metrics, read_metrics)]
)
def test_a_file_made_from_something_else_is_refused(write, read, tmp_path):
    path = tmp_path / "file"
    write(path)
    read(path, "abc")
    read(path)
    assert message_of(read, path, "abd") == (
        f"The file {path} was made from 'abc', not from 'abd'; it belongs to another run"
    )


@pytest.mark.parametrize(("write", "read"), KINDS)
def test_writing_twice_leaves_one_file_with_the_same_bytes(write, read, tmp_path):
    path = tmp_path / "file"
    write(path)
    first = path.read_bytes()
    write(path)
    assert path.read_bytes() == first
    assert names_in(tmp_path) == ["file"]


def test_windows_are_mapped_and_not_read(tmp_path):
    write_some_windows(tmp_path / "w.arrow")
    before = pa.total_allocated_bytes()
    table = read_windows(tmp_path / "w.arrow")
    assert table.nbytes > 0
    assert pa.total_allocated_bytes() - before < table.nbytes


def test_a_file_gets_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a" / "file"
    with written_whole(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert names_in(path.parent) == ["file"]


def write_half_and_raise(path, error):
    with written_whole(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_nothing_and_keeps_the_old_file(error, tmp_path):
    path = tmp_path / "file"
    for old in (None, "old"):
        if old:
            path.write_text(old)
        with pytest.raises(error):
            write_half_and_raise(path, error)
        assert names_in(tmp_path) == ([path.name] if old else [])
    assert path.read_text() == "old"


def test_an_exception_before_anything_is_written_is_the_one_that_is_seen(tmp_path):
    with pytest.raises(RuntimeError), written_whole(tmp_path / "file"):
        raise RuntimeError
    assert names_in(tmp_path) == []


def test_content_that_is_no_json_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "m.json", {"a": object()}, schema="x/1", made_from="")
    assert names_in(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    message = message_of(write_metrics, tmp_path / "taken" / "m.json")
    assert message == (
        f"The file {tmp_path / 'taken' / 'm.json'} can't be written: {tmp_path / 'taken'} is in "
        "the way (File exists); move it or choose another folder"
    )
    assert "Not a directory" in message_of(write_metrics, tmp_path / "taken" / "a" / "m.json")
    assert names_in(tmp_path) == ["taken"]


def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    (tmp_path / "m.json").mkdir()
    message = message_of(write_metrics, tmp_path / "m.json")
    assert f"{tmp_path / 'm.json'} is in the way (Is a directory)" in message
    assert names_in(tmp_path) == ["m.json"]


def test_a_folder_without_permission_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    message = message_of(write_metrics, folder / "m.json")
    assert message.startswith(f"No permission to write {folder}")
    assert message.endswith("; allow it or choose another folder")


def test_a_refused_permission_is_a_sentence(tmp_path):
    # What the system raises, for those to whom it never does.
    path = tmp_path / "m.json"

    def write():
        with written_whole(path):
            raise PermissionError(13, "Permission denied", str(path))

    assert message_of(write) == (
        f"No permission to write {path}; allow it or choose another folder"
    )


def test_json_is_read_as_it_was_written_by_others(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({"schema": "metrics/1", "made_from": "x"}))
    assert read_metrics(tmp_path / "m.json", "x")["made_from"] == "x"
