import errno
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from squadron.errors import InputError
from squadron.storage import (
    MARKER_NAME,
    S3Location,
    StorageSettings,
    content_digest,
    fetch,
    fetch_file,
    fetch_folder,
    fetch_published,
    is_remote,
    join,
    local,
    parse_location,
    publish,
    publish_beside,
    read_settings,
    require_writable,
)
from tests.effort import draws
from tests.trees import RECORDS, content_of, read_tree, write_tree


@contextmanager
def largest_file(n_bytes: int):
    """The kernel refuses to let a file grow beyond this: a real failure in the middle of a write,
    for the super-user too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def model(tmp_path):
    files = {"config.json": b"{}", "weights/a.safetensors": b"\x00" * 5000, "empty.txt": b""}
    return write_tree(tmp_path / "model", files)


# Any name that a file system takes and that is UTF-8, spaces, newlines and emoji included.
part = (
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
    .filter(lambda text: text not in (".", "..") and len(text.encode()) <= 60)
    .filter(lambda text: text not in RECORDS)
)


@st.composite
def trees(draw):
    files = draw(
        st.dictionaries(
            st.lists(part, min_size=1, max_size=3).map(tuple),
            st.binary(max_size=300),
            min_size=1,
            max_size=5,
        )
    )
    # A path can't be both a file and a folder.
    return {
        "/".join(parts): content
        for parts, content in files.items()
        if not any(other != parts and other[: len(parts)] == parts for other in files)
    }


class TestLocations:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("s3://bucket", S3Location("bucket")),
            ("s3://bucket/", S3Location("bucket")),
            ("s3://bucket/a/b", S3Location("bucket", "a/b")),
            ("s3://bucket/a/b/", S3Location("bucket", "a/b")),
            ("s3://bucket/a b#c?d%20é", S3Location("bucket", "a b#c?d%20é")),
            ("data/train.json", Path("data/train.json")),
            ("/data/../x", Path("/data/../x")),
        ],
    )
    def test_a_location_is_a_path_or_a_bucket_with_a_prefix(self, text, expected):
        assert parse_location(text) == expected
        assert is_remote(text) is isinstance(expected, S3Location)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                "",
                "give a path in UTF-8 (no 'file://', no white space at its ends) or "
                "'s3://bucket/prefix'",
            ),
            ("   ", "can't be used"),
            ("a\ud800.json", r"'a\ud800.json' can't be used; give a path in UTF-8"),
            ("s3://", "isn't 's3://bucket/prefix' with a bucket name"),
            ("s3:///prefix", "bucket name of 3 to 63 lower-case letters"),
            ("s3://Bucket/x", "bucket name of 3 to 63 lower-case letters"),
            ("s3://ab/x", "bucket name of 3 to 63 lower-case letters"),
            ("s3://bucket-/x", "bucket name of 3 to 63 lower-case letters"),
            ("gs://bucket/x", "'gs://bucket/x' can't be used; give a path"),
            ("file:///data", "no 'file://'"),
            ("S3://bucket/x", "can't be used"),
            ("s3:/bucket/x", "can't be used"),
            ("s3://bucket//x", "without empty, '.' or '..' parts"),
            ("s3://bucket/a/../b", "without empty, '.' or '..' parts"),
            ("s3://bucket/a//", "without empty, '.' or '..' parts"),
            ("s3://bucket/\udc80", "a UTF-8 prefix"),
            ("s3://bucket/x\n", "can't be used"),
            ("a\0b", "can't be used"),
        ],
    )
    def test_what_is_no_location_is_refused_with_what_is_allowed(self, text, said):
        for function in (parse_location, is_remote, content_digest):
            with pytest.raises(InputError) as caught:
                function(text)
            assert said in str(caught.value)

    def test_joining_keeps_the_kind_of_location(self):
        assert join("s3://bucket/a/", "b", "c/d") == "s3://bucket/a/b/c/d"
        assert join("s3://bucket", "b") == "s3://bucket/b"
        assert join("s3://bucket/a") == "s3://bucket/a"
        assert join("data", "b", "c/d") == str(Path("data/b/c/d"))

    @pytest.mark.parametrize("name", ["", "..", "a/../..", "/etc", ".", "a//b", "a\0"])
    @pytest.mark.parametrize("location", ["s3://bucket/a", "data"])
    def test_a_joined_name_cannot_leave_the_location(self, location, name):
        with pytest.raises(InputError, match="give a relative name"):
            join(location, name)


class TestSettings:
    def test_an_empty_environment_gives_the_defaults(self):
        assert read_settings({}) == StorageSettings(
            endpoint_url=None,
            checksums="when_required",
            connect_timeout_seconds=5,
            read_timeout_seconds=60,
            max_attempts=3,
        )

    def test_the_endpoint_for_s3_goes_before_the_one_for_all_services(self):
        both = {"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_S3": "https://s3.here"}
        assert read_settings(both).endpoint_url == "https://s3.here"
        assert read_settings({"AWS_ENDPOINT_URL": "http://all:1"}).endpoint_url == "http://all:1"

    def test_every_setting_is_read_from_its_variable(self):
        found = read_settings(
            {
                "SQUADRON_S3_CHECKSUMS": "when_supported",
                "SQUADRON_S3_CONNECT_TIMEOUT": "0.5",
                "SQUADRON_S3_READ_TIMEOUT": "7",
                "SQUADRON_S3_MAX_ATTEMPTS": "1",
            }
        )
        assert found == StorageSettings(None, "when_supported", 0.5, 7, 1)

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("SQUADRON_S3_CHECKSUMS", "always", "give 'when_required' or 'when_supported'"),
            ("SQUADRON_S3_CONNECT_TIMEOUT", "soon", "give a number of seconds above 0"),
            ("SQUADRON_S3_CONNECT_TIMEOUT", "0.0", "give a number of seconds above 0"),
            ("SQUADRON_S3_READ_TIMEOUT", "nan", "give a number of seconds above 0"),
            ("SQUADRON_S3_READ_TIMEOUT", "-1", "give a number of seconds above 0"),
            ("SQUADRON_S3_MAX_ATTEMPTS", "0", "give a whole number above 0"),
            ("SQUADRON_S3_MAX_ATTEMPTS", "1.5", "give a whole number above 0"),
            ("AWS_ENDPOINT_URL", "localhost:9000", "such as 'http://127.0.0.1:9000'"),
            ("AWS_ENDPOINT_URL_S3", "http://host:port", "such as 'http://127.0.0.1:9000'"),
        ],
    )
    def test_a_wrong_setting_is_named_with_its_value(self, name, value, said):
        with pytest.raises(InputError) as caught:
            read_settings({name: value})
        assert str(caught.value).startswith(f"{name} is ")
        assert value in str(caught.value)
        assert said in str(caught.value)

    def test_a_password_in_the_endpoint_is_refused_without_being_repeated(self):
        with pytest.raises(InputError, match="give a URL without user name and password") as caught:
            read_settings({"AWS_ENDPOINT_URL": "http://me:hunter2@host:9000"})
        assert "hunter2" not in str(caught.value)


class TestPublishing:
    @given(trees())
    @example({"a b\n'\"\\%2F+&#?é😀": b"x", "-rf/~/*": b"", "\x01\x7f": b"y"})
    @example({"sub/manifest.json": b"mine", "sub/_COMMITTED": b"mine"})
    @settings(max_examples=draws(30), deadline=None)
    def test_what_is_fetched_is_what_was_published(self, files):
        with TemporaryDirectory() as name:
            root = Path(name)
            source = write_tree(root / "source", files)
            location = str(root / "published")
            assert publish(source, location) == location
            fetched = fetch_published(location, root / "unused")
            assert content_of(fetched) == files
            assert publish(source, location) == location
            assert content_digest(location) == content_digest(str(source))
            assert {path.name for path in root.iterdir()} == {"source", "published"}

    def test_the_manifest_lists_every_file_and_the_marker_holds_its_digest(self, model, tmp_path):
        target = tmp_path / "runs" / "7" / "published"
        publish(model, str(target))
        manifest = (target / "manifest.json").read_bytes()
        assert json.loads(manifest) == {
            "schema_version": 1,
            "files": [
                {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in sorted(read_tree(model).items())
            ],
        }
        assert json.loads((target / MARKER_NAME).read_bytes()) == {
            "schema_version": 1,
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "content": "",
        }

    def test_publishing_the_same_again_writes_nothing(self, model, tmp_path):
        target = tmp_path / "published"
        publish(model, str(target))
        before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
        publish(model, str(target))
        assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before

    def test_other_content_may_be_published_beside(self, model, tmp_path):
        location = str(tmp_path / "published")
        assert publish_beside(model, location) == location
        (model / "another.txt").write_text("new")
        beside = publish_beside(model, location)
        assert beside.startswith(f"{location}-")
        assert publish_beside(model, location) == beside
        assert (fetch_published(beside, tmp_path / "f") / "another.txt").is_file()
        assert not (Path(location) / "another.txt").exists()

    def test_other_content_at_a_published_location_is_refused(self, model, tmp_path):
        target = tmp_path / "published"
        publish(model, str(target))
        published = read_tree(target)
        (model / "config.json").write_bytes(b"[]")
        with pytest.raises(InputError, match="already holds other published content"):
            publish(model, str(target))
        assert read_tree(target) == published

    def test_a_folder_with_other_files_is_never_published_over(self, model, tmp_path):
        target = write_tree(tmp_path / "notes", {"mine.txt": b"keep"})
        with pytest.raises(InputError, match="holds files that were not published there"):
            publish(model, str(target))
        assert read_tree(target) == {"mine.txt": b"keep"}

    def test_an_empty_folder_and_a_link_to_one_are_filled(self, model, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "disk")
        publish(model, str(tmp_path / "link"))
        assert content_of(tmp_path / "disk") == read_tree(model)

    def test_a_fetched_folder_can_be_published_elsewhere(self, model, tmp_path):
        publish(model, str(tmp_path / "first"))
        publish(tmp_path / "first", str(tmp_path / "second"))
        assert read_tree(tmp_path / "second") == read_tree(tmp_path / "first")

    def test_a_copy_of_an_s3_prefix_is_read_where_its_marker_points(self, model, tmp_path):
        publish(model, str(tmp_path / "plain"))
        copy = tmp_path / "copy"
        shutil.move(tmp_path / "plain", copy / "content-1")
        marker = json.loads((copy / "content-1" / MARKER_NAME).read_bytes())
        (copy / "content-1" / MARKER_NAME).unlink()
        (copy / MARKER_NAME).write_text(json.dumps(marker | {"content": "content-1"}))
        assert fetch_published(str(copy), tmp_path / "unused") == copy / "content-1"
        assert content_digest(str(copy)) == content_digest(str(model))
        publish(copy, str(tmp_path / "again"))
        assert content_of(tmp_path / "again") == read_tree(model)

    def test_links_to_files_are_published_as_files(self, model, tmp_path):
        blob = write_tree(tmp_path / "blobs", {"b": b"shared"}) / "b"
        (model / "linked.bin").symlink_to(blob)
        publish(model, str(tmp_path / "published"))
        assert not (tmp_path / "published" / "linked.bin").is_symlink()
        assert (tmp_path / "published" / "linked.bin").read_bytes() == b"shared"

    def test_published_folders_get_the_usual_permissions(self, model, tmp_path):
        usual = tmp_path / "usual"
        usual.mkdir()
        (usual / "file").touch()
        publish(model, str(tmp_path / "published"))
        assert (tmp_path / "published").stat().st_mode == usual.stat().st_mode
        assert (tmp_path / "published/config.json").stat().st_mode == (
            usual / "file"
        ).stat().st_mode

    def test_a_name_that_is_not_utf8_is_refused(self, model, tmp_path):
        Path(os.fsdecode(os.fsencode(model) + b"/\xff.bin")).touch()
        with pytest.raises(InputError, match="its name isn't UTF-8"):
            publish(model, str(tmp_path / "published"))

    def test_what_is_no_file_is_refused_rather_than_left_out(self, model, tmp_path):
        for make, said in (
            (lambda path: path.symlink_to(tmp_path), "link to a folder"),
            (lambda path: path.symlink_to(tmp_path / "gone"), "broken link"),
            (os.mkfifo, "no regular file"),
        ):
            make(model / "odd")
            with pytest.raises(InputError, match=rf"odd' can't be published: .*{said}"):
                publish(model, str(tmp_path / "published"))
            (model / "odd").unlink()

    @pytest.mark.parametrize("name", sorted(RECORDS))
    def test_a_file_of_the_users_own_under_a_reserved_name_is_refused(self, name, model, tmp_path):
        (model / name).write_bytes(b'{"files": "mine"}')
        with pytest.raises(InputError, match=f"{name} was not written by publishing"):
            publish(model, str(tmp_path / "published"))

    @pytest.mark.parametrize(
        ("folder", "location", "said"),
        [
            ("gone", "out", r"gone can't be read: No such file or directory\. Correct the path"),
            ("file", "out", r"file can't be read: Not a directory\. A file stands where a folder"),
            ("empty", "out", "holds no file; there is nothing to publish"),
            ("full", "full", "holds files that were not published there"),
            ("full", "file", "file can't be written: Not a directory"),
            ("full", "file/out", "file stands where a folder is needed"),
            ("full", "x" * 300, "can't be written: File name too long"),
        ],
    )
    def test_what_cannot_be_published_is_said(self, tmp_path, folder, location, said):
        write_tree(tmp_path, {"file": b"x", "full/a": b"y"})
        (tmp_path / "empty").mkdir()
        before = read_tree(tmp_path)
        with pytest.raises(InputError, match=said):
            publish(tmp_path / folder, str(tmp_path / location))
        assert read_tree(tmp_path) == before

    def test_a_publish_that_fails_half_way_leaves_nothing_and_can_be_repeated(
        self, model, tmp_path
    ):
        target = tmp_path / "published"
        with (
            largest_file(1000),
            pytest.raises(InputError, match=r"published.* can't be written: File too large"),
        ):
            publish(model, str(target))
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        publish(model, str(target))
        assert content_of(target) == read_tree(model)

    def test_files_that_change_while_they_are_published_are_noticed(
        self, model, tmp_path, monkeypatch
    ):
        describe = local.describe

        def describe_then_write(folder):
            manifest = describe(folder)
            (model / "config.json").write_bytes(b"[]")
            return manifest

        monkeypatch.setattr(local, "describe", describe_then_write)
        with pytest.raises(
            InputError, match=r"model/config\.json was .*changed.*; nothing was publ"
        ):
            publish(model, str(tmp_path / "published"))
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    @pytest.mark.parametrize("contents", [(b"one", b"one"), (b"one", b"two")])
    def test_two_publishers_at_the_same_time_leave_one_whole_result(self, tmp_path, contents):
        target = tmp_path / "published"
        sources = [
            write_tree(tmp_path / str(n), {f"{k}": content for k in range(30)})
            for n, content in enumerate(contents)
        ]
        start = threading.Barrier(2)
        refused = []

        def run(source):
            start.wait()
            try:
                publish(source, str(target))
            except InputError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=run, args=[source]) for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == len(set(contents)) - 1
        fetched = fetch_published(str(target), tmp_path / "unused")
        assert content_of(fetched) in [read_tree(source) for source in sources]
        assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "published"}


class TestFetching:
    def test_local_files_and_folders_are_used_where_they_are(self, model, tmp_path):
        file = model / "config.json"
        assert fetch_file(str(file), tmp_path / "unused") == file
        assert fetch_folder(str(model), tmp_path / "unused") == model
        assert not (tmp_path / "unused").exists()

    def test_a_missing_path_and_the_wrong_kind_of_path_are_said(self, model, tmp_path):
        unused = tmp_path / "unused"
        for function in (fetch_file, fetch_folder, fetch_published):
            with pytest.raises(InputError, match="gone can't be read: No such file"):
                function(str(tmp_path / "gone"), unused)
        with pytest.raises(InputError, match="model can't be read: Is a directory"):
            fetch_file(str(model), unused)
        for function in (fetch_folder, fetch_published):
            with pytest.raises(InputError, match="A file stands where a folder is needed"):
                function(str(model / "config.json"), unused)
        with pytest.raises(InputError, match="gone can't be read"):
            content_digest(str(tmp_path / "gone"))

    def test_a_folder_without_marker_is_not_published(self, model, tmp_path):
        with pytest.raises(InputError, match=r"no commit marker \(_COMMITTED\).* Publish it again"):
            fetch_published(str(model), tmp_path / "unused")

    @pytest.mark.parametrize("function", [fetch_published, fetch_folder])
    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (lambda f: (f / "empty.txt").write_bytes(b"x"), "empty.txt was added, changed or"),
            (lambda f: (f / "config.json").write_bytes(b"[]"), "config.json was added, changed"),
            (lambda f: (f / "weights/a.safetensors").unlink(), "changed or removed since"),
            (lambda f: (f / "code.py").touch(), "code.py was added, changed or"),
            (lambda f: (f / "manifest.json").unlink(), "manifest.json can't be read: No such"),
            (lambda f: (f / "manifest.json").write_bytes(b"{}"), "isn't the manifest that was com"),
            (lambda f: (f / MARKER_NAME).write_bytes(b"yes"), "not written by publishing"),
            (lambda f: (f / MARKER_NAME).write_bytes(b"[]"), "not written by publishing"),
            (
                lambda f: (f / MARKER_NAME).write_bytes(b'{"schema_version": 1}'),
                "not written by publishing",
            ),
            (
                lambda f: (f / MARKER_NAME).write_bytes(
                    (f / MARKER_NAME)
                    .read_bytes()
                    .replace(b'schema_version": 1', b'schema_version": 2')
                ),
                "(schema version 1), or is damaged; use the version of squadron that published it",
            ),
        ],
    )
    def test_published_content_that_changed_is_refused(
        self, model, tmp_path, function, damage, said
    ):
        publish(model, str(tmp_path / "published"))
        damage(tmp_path / "published")
        with pytest.raises(InputError) as caught:
            function(str(tmp_path / "published"), tmp_path / "unused")
        assert said in str(caught.value)

    @pytest.mark.parametrize(
        "files",
        [
            [{"path": "../x", "size": 0, "sha256": "0" * 64}],
            [{"path": "/etc/x", "size": 0, "sha256": "0" * 64}],
            [{"path": "x", "size": [], "sha256": "0" * 64}],
            [{"path": "x", "size": 0}],
            [{"path": 1, "size": 0, "sha256": "0" * 64}],
            ["x"],
            {"x": 1},
        ],
    )
    def test_a_manifest_that_leads_elsewhere_is_refused_even_with_a_fitting_marker(
        self, tmp_path, files
    ):
        manifest = json.dumps({"schema_version": 1, "files": files}).encode()
        marker = {"schema_version": 1, "manifest_sha256": hashlib.sha256(manifest).hexdigest()}
        marked = json.dumps(marker | {"content": ""}).encode()
        write_tree(tmp_path, {"manifest.json": manifest, MARKER_NAME: marked})
        with pytest.raises(InputError, match="isn't the manifest that was committed"):
            fetch_published(str(tmp_path), tmp_path / "unused")


class TestDigests:
    def test_the_digest_of_a_file_is_its_sha256(self, tmp_path):
        (tmp_path / "f").write_bytes(b"abc")
        assert content_digest(str(tmp_path / "f")) == hashlib.sha256(b"abc").hexdigest()

    def test_the_digest_of_a_folder_is_the_same_wherever_it_lies(self, model, tmp_path):
        shutil.copytree(model, tmp_path / "copy")
        publish(model, str(tmp_path / "published"))
        digests = {content_digest(str(tmp_path / n)) for n in ("model", "copy", "published")}
        assert len(digests) == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda f: (f / "config.json").write_bytes(b"[]"),
            lambda f: (f / "config.json").rename(f / "settings.json"),
            lambda f: (f / "empty.txt").unlink(),
            lambda f: (f / "new").touch(),
        ],
    )
    def test_the_digest_changes_with_any_content_or_name(self, model, change):
        before = content_digest(str(model))
        change(model)
        assert content_digest(str(model)) != before


class TestSentences:
    @pytest.mark.parametrize(
        ("code", "said"),
        [
            (errno.ENOSPC, "can't be written: No space left on device. Free some space"),
            (errno.EACCES, "can't be written: Permission denied. Change the permissions"),
            (errno.EBUSY, "the root of a mounted volume, give a folder inside it."),
            (errno.EIO, "can't be written: Input/output error."),
        ],
    )
    def test_the_systems_refusals_say_what_to_do(self, code, said):
        with pytest.raises(InputError) as caught, local.sentences("written", Path("out/model")):
            raise OSError(code, os.strerror(code), "out/.unfinished-0123/built/weights")
        assert str(caught.value).startswith("out/model can't be written: ")
        assert said in str(caught.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="permissions don't bind the super-user")
    def test_denied_permissions_are_said(self, model, tmp_path):
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(InputError, match="can't be written: Permission denied"):
            publish(model, str(locked / "out"))
        (model / "config.json").chmod(0)
        with pytest.raises(InputError, match=r"config.json can't be read: Permission denied"):
            publish(model, str(tmp_path / "out"))
        with pytest.raises(InputError, match=r"config.json can't be read: Permission denied"):
            fetch_file(str(model / "config.json"), tmp_path / "unused")


def test_importing_the_module_does_not_import_boto3():
    code = "import sys, squadron.storage; print(sorted({'boto3', 'botocore'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_writable_place_is_left_as_it_was(tmp_path):
    (tmp_path / "old").mkdir()
    require_writable(str(tmp_path / "old"))
    require_writable(str(tmp_path / "old" / "new" / "results"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]


def test_a_relative_place_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_writable("results")
    require_writable("new/../results")
    assert list(tmp_path.rglob("*")) == []


def test_a_name_that_the_file_system_refuses_is_refused_before_it_is_needed(tmp_path):
    with pytest.raises(InputError, match=r"x{300} can't be written: File name too long"):
        require_writable(str(tmp_path / "new" / ("x" * 300)))
    assert list(tmp_path.rglob("*")) == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.* can't be written: .*A file stands where"):
        require_writable(str(tmp_path / "file" / "results"))


def test_a_manifest_that_agrees_with_tampered_files_is_refused_all_the_same(tmp_path):
    # Whoever changes a file can write its new digest into manifest.json, too: the sha256 in the
    # marker is what tells.
    target = tmp_path / "published"
    publish(write_tree(tmp_path / "model", {"weights": b"right"}), str(target))
    content = json.loads((target / "manifest.json").read_text())
    (target / "weights").write_bytes(b"wrong")
    (entry,) = content["files"]
    entry["sha256"] = hashlib.sha256(b"wrong").hexdigest()
    (target / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="isn't the manifest that was committed"):
        fetch_published(str(target), tmp_path / "fetched")


def test_every_file_is_on_the_disk_before_the_folder_gets_its_name(tmp_path, monkeypatch):
    # The calls themselves, in their order: a power cut can't be made here.
    calls = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(descriptor):
        about = os.fstat(descriptor)
        calls.append((about.st_ino, about.st_size))
        fsync(descriptor)

    def noted_rename(self, new):
        calls.append(Path(new).name)
        return rename(self, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    files = {"weights": b"w" * 5000, "tokenizer/vocab": b"v"}
    publish(write_tree(tmp_path / "model", files), str(tmp_path / "published"))
    *synced, last = calls
    assert last == "published"
    # A file keeps its number when its folder gets another name. Manifest and marker count, too.
    written = [path for path in (tmp_path / "published").rglob("*") if path.is_file()]
    assert len(written) == 4
    assert sorted(synced) == sorted((p.stat().st_ino, p.stat().st_size) for p in written)


def test_a_path_is_fetched_as_the_file_or_folder_that_it_is(tmp_path):
    folder = write_tree(tmp_path / "folder", {"a.txt": b"a"})
    assert fetch(str(folder), tmp_path / "none") == folder
    assert fetch(str(folder / "a.txt"), tmp_path / "none") == folder / "a.txt"
    with pytest.raises(InputError, match="Correct the path"):
        fetch(str(tmp_path / "missing"), tmp_path / "none")
    publish(folder, str(tmp_path / "published"))
    (tmp_path / "published" / "a.txt").write_bytes(b"b")
    with pytest.raises(InputError, match="was added, changed or removed"):
        fetch(str(tmp_path / "published"), tmp_path / "none")
