import functools
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import botocore.session
import pytest

from squadron.errors import InputError
from squadron.storage import (
    MARKER_NAME,
    content_digest,
    fetch_file,
    fetch_folder,
    fetch_published,
    publish,
    require_writable,
)
from squadron.storage.s3 import Store
from tests.s3_server import running_s3_server
from tests.trees import content_of, write_tree

pytestmark = pytest.mark.slow  # An S3 server is started, and talked to a thousand times.
ODD_NAMES = ["a b+c%2F#?&=.txt", "é😀/ü", "quote'\"<>", "back\\slash", "~-_.!*()"]


@pytest.fixture(scope="session")
def endpoint():
    with running_s3_server() as url:
        yield url


cached_loader = functools.cache(botocore.session.create_loader)


@pytest.fixture
def environment(monkeypatch, endpoint, tmp_path):
    """The environment that boto3 and the module read; nothing of the machine's own gets in."""
    # Botocore's description of S3 is read once for all tests: each client would take 60 ms.
    monkeypatch.setattr(botocore.session, "create_loader", cached_loader)
    for name in [name for name in os.environ if name.startswith(("AWS_", "SQUADRON_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("SQUADRON_S3_MAX_ATTEMPTS", "1")
    return monkeypatch


@pytest.fixture(scope="session")
def s3(endpoint):
    """The test's own client, for looking behind the module's back."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def bucket(s3, environment):
    name = f"bucket-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def location(bucket):
    return f"s3://{bucket}/models/run 7/best"


@pytest.fixture
def model(tmp_path):
    files = {"config.json": b"{}", "weights/a.safetensors": bytes(range(256)) * 20, "empty": b""}
    return write_tree(tmp_path / "model", files)


def keys_in(s3, bucket: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def key_ending(s3, bucket: str, end: str) -> str:
    (key,) = [key for key in keys_in(s3, bucket) if key.endswith(end)]
    return key


def watch(monkeypatch, event: str, handler) -> None:
    """Lets a test see or answer requests of every client from now on (botocore's own events)."""
    make_client = botocore.session.Session.create_client

    def make_watched(self, *args, **kwargs):
        client = make_client(self, *args, **kwargs)
        client.meta.events.register(event, handler)
        return client

    monkeypatch.setattr(botocore.session.Session, "create_client", make_watched)


def answer(status: int, code: str):
    """What a botocore event handler returns to answer a request itself."""
    from botocore.awsrequest import AWSResponse

    parsed = {
        "Error": {"Code": code, "Message": "made by the test"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return AWSResponse("http://test", status, {}, None), parsed


def test_what_is_fetched_is_what_was_published(model, location, tmp_path):
    assert publish(model, location + "/") == location
    target = tmp_path / "deep" / "fetched"
    assert fetch_published(location, target) == target
    assert content_of(target) == content_of(model)
    # A fetched folder is a published folder: it verifies by itself and can be published again.
    assert fetch_published(str(target), tmp_path / "unused") == target
    publish(target, str(tmp_path / "local"))
    assert content_of(tmp_path / "local") == content_of(model)


def test_a_whole_bucket_can_be_the_location(model, bucket, tmp_path):
    assert publish(model, f"s3://{bucket}") == f"s3://{bucket}"
    assert content_of(fetch_folder(f"s3://{bucket}/", tmp_path / "out")) == content_of(model)


@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
def test_odd_file_names_come_back_as_they_were(s3, bucket, tmp_path, environment, checksums):
    environment.setenv("SQUADRON_S3_CHECKSUMS", checksums)
    source = write_tree(tmp_path / "odd", {name: name.encode() for name in ODD_NAMES})
    publish(source, f"s3://{bucket}/odd é+%/x")
    fetched = fetch_published(f"s3://{bucket}/odd é+%/x", tmp_path / "out")
    assert content_of(fetched) == content_of(source)
    # The listing of an unpublished prefix must spell the names the same way.
    content = key_ending(s3, bucket, "/manifest.json").removesuffix("/manifest.json")
    plain = fetch_folder(f"s3://{bucket}/{content}", tmp_path / "plain")
    assert content_of(plain) == content_of(source)


def test_the_marker_is_written_last_and_only_if_there_is_none(model, location, environment):
    order = []

    def note(params, **_):
        order.append((params["url_path"], params["headers"].get("If-None-Match")))

    watch(environment, "before-call.s3.PutObject", note)
    publish(model, location)
    names = [path.rpartition("/")[2] for path, _ in order]
    assert sorted(names[:-2]) == ["a.safetensors", "config.json", "empty"]
    assert names[-2:] == ["manifest.json", MARKER_NAME]
    assert [condition for _, condition in order] == [None, None, None, None, "*"]


def test_publishing_the_same_again_writes_nothing(model, location, environment):
    publish(model, location)
    written = []
    watch(environment, "before-call.s3.PutObject", lambda **_: written.append(1))
    assert publish(model, location) == location
    assert written == []


def test_other_content_at_a_published_location_is_refused(s3, model, bucket, location, tmp_path):
    publish(model, location)
    before = keys_in(s3, bucket)
    other = write_tree(tmp_path / "other", {"config.json": b"[]"})
    with pytest.raises(InputError, match=r"already holds other published content .*; choose"):
        publish(other, location)
    assert keys_in(s3, bucket) == before
    assert content_of(fetch_published(location, tmp_path / "out")) == content_of(model)


def test_content_without_marker_is_refused(s3, model, bucket, location, tmp_path):
    publish(model, location)
    s3.delete_object(Bucket=bucket, Key=key_ending(s3, bucket, MARKER_NAME))
    for fetch in (fetch_published, fetch_folder):
        with pytest.raises(InputError, match=r"no commit marker \(_COMMITTED\)"):
            fetch(location, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("end", "body", "said"),
    [
        ("a.safetensors", bytes(5120), "a.safetensors was added, changed or removed since"),
        ("a.safetensors", b"", "a.safetensors was added, changed or removed since"),
        ("a.safetensors", None, "a.safetensors can't be read: An error occurred (NoSuchKey)"),
        ("manifest.json", b"{}", "manifest.json isn't the manifest that was committed"),
        ("manifest.json", None, "manifest.json is missing; delete what is there and publish"),
        (MARKER_NAME, b"yes", "_COMMITTED was not written by publishing"),
        (
            MARKER_NAME,
            json.dumps(
                {"schema_version": 1, "manifest_sha256": "0" * 64, "content": "../../etc"}
            ).encode(),
            "_COMMITTED was not written by publishing",
        ),
    ],
)
def test_a_tampered_or_missing_object_is_refused(
    s3, model, bucket, location, tmp_path, end, body, said
):
    publish(model, location)
    key = key_ending(s3, bucket, end)
    if body is None:
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    for fetch in (fetch_published, fetch_folder):
        with pytest.raises(InputError) as caught:
            fetch(location, tmp_path / "out")
        assert said in str(caught.value)
        assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_a_publication_killed_before_its_marker_is_completed(s3, model, bucket, location, tmp_path):
    code = """
import os, sys
from pathlib import Path
from squadron import storage
from squadron.storage.s3 import Store
write = Store.write
Store.write = lambda *a, **only_if: os.kill(os.getpid(), 9) if only_if else write(*a)
storage.publish(Path(sys.argv[1]), sys.argv[2])
"""
    killed = subprocess.run([sys.executable, "-c", code, str(model), location], check=False)
    assert killed.returncode == -9
    assert len(keys_in(s3, bucket)) == 4
    with pytest.raises(InputError, match="no commit marker"):
        fetch_published(location, tmp_path / "out")
    # Whatever the dead attempt left is written over, a torn object too.
    s3.put_object(Bucket=bucket, Key=key_ending(s3, bucket, "config.json"), Body=b"torn")
    publish(model, location)
    assert content_of(fetch_published(location, tmp_path / "out")) == content_of(model)
    assert len(keys_in(s3, bucket)) == 5


def test_other_content_can_follow_a_dead_attempt(s3, model, bucket, location, tmp_path):
    publish(model, location)
    s3.delete_object(Bucket=bucket, Key=key_ending(s3, bucket, MARKER_NAME))
    other = write_tree(tmp_path / "other", {"config.json": b"[]"})
    publish(other, location)
    assert content_of(fetch_published(location, tmp_path / "out")) == {"config.json": b"[]"}


def test_a_large_file_goes_in_parts(s3, bucket, location, tmp_path):
    content = os.urandom(1024) * (17 * 1024)  # 17 MiB: two parts of 8 MiB and one of 1
    source = write_tree(tmp_path / "large", {"weights": content, "small": b"x"})
    publish(source, location)
    etag = s3.head_object(Bucket=bucket, Key=key_ending(s3, bucket, "/weights"))["ETag"]
    assert etag.endswith('-3"')
    assert content_of(fetch_published(location, tmp_path / "out")) == content_of(source)


def test_an_upload_that_fails_half_way_leaves_no_parts(s3, bucket, location, tmp_path, environment):
    def refuse_second_part(params, **_):
        return answer(403, "AccessDenied") if params["query_string"]["partNumber"] == 2 else None

    aborted = []
    watch(environment, "before-call.s3.UploadPart", refuse_second_part)
    watch(environment, "after-call.s3.AbortMultipartUpload", lambda **_: aborted.append(1))
    source = write_tree(tmp_path / "large", {"weights": bytes(17 * 1024 * 1024)})
    with pytest.raises(InputError, match=r"weights can't be written: .*AccessDenied.* Check AWS_"):
        publish(source, location)
    assert aborted == [1]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert keys_in(s3, bucket) == []


def test_files_that_change_while_they_are_published_are_not_committed(
    s3, model, bucket, location, environment
):
    def write(params, **_):
        if params["url_path"].endswith("config.json"):
            (model / "empty").write_bytes(b"no more")

    watch(environment, "before-call.s3.PutObject", write)
    with pytest.raises(InputError, match="model/empty was added, changed or removed since"):
        publish(model, location)
    assert not any(key.endswith(MARKER_NAME) for key in keys_in(s3, bucket))


@pytest.mark.parametrize("contents", [(b"one", b"one"), (b"one", b"two")])
def test_two_publishers_at_the_same_time_leave_one_whole_result(location, tmp_path, contents):
    sources = [
        write_tree(tmp_path / str(n), {f"{k}": content for k in range(5)})
        for n, content in enumerate(contents)
    ]
    start = threading.Barrier(2)
    refused = []

    def run(source):
        start.wait()
        try:
            publish(source, location)
        except InputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=run, args=[source]) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) < len(set(contents))
    fetched = content_of(fetch_published(location, tmp_path / "out"))
    assert fetched in [content_of(source) for source in sources]


@pytest.fixture
def overtaken(environment, model, location, tmp_path):
    """A publication during whose last step another one, of other content, goes all the way."""
    other = write_tree(tmp_path / "other", {"config.json": b"[1]", "weights/a.safetensors": b"2"})
    write = Store.write

    def overtake(store, name, content, **only_if_absent):
        if only_if_absent:
            environment.setattr(Store, "write", write)
            publish(other, location)
        write(store, name, content, **only_if_absent)

    environment.setattr(Store, "write", overtake)
    return lambda: publish(model, location)


def test_who_commits_second_is_refused_and_harms_nothing(overtaken, location, tmp_path):
    with pytest.raises(InputError, match="already holds other published content"):
        overtaken()
    fetched = content_of(fetch_published(location, tmp_path / "out"))
    assert fetched == content_of(tmp_path / "other")


def test_a_server_that_ignores_the_condition_still_has_one_whole_result(
    overtaken, environment, location, model, tmp_path
):
    def drop_condition(params, **_):
        params["headers"].pop("If-None-Match", None)

    watch(environment, "before-call.s3.PutObject", drop_condition)
    overtaken()
    assert content_of(fetch_published(location, tmp_path / "out")) == content_of(model)


def test_a_server_without_conditional_writes_is_published_to(
    environment, location, model, tmp_path
):
    def refuse_condition(params, **_):
        return answer(501, "NotImplemented") if "If-None-Match" in params["headers"] else None

    watch(environment, "before-call.s3.PutObject", refuse_condition)
    publish(model, location)
    assert content_of(fetch_published(location, tmp_path / "out")) == content_of(model)


def test_a_folder_with_this_content_is_not_downloaded_again(model, location, tmp_path, environment):
    publish(model, location)
    (tmp_path / "out").mkdir()  # an empty folder is as good as none
    fetch_published(location, tmp_path / "out")
    read = []
    watch(environment, "before-call.s3.GetObject", lambda params, **_: read.append(params))
    assert fetch_published(location, tmp_path / "out") == tmp_path / "out"
    names = [params["url_path"].rpartition("/")[2] for params in read]
    assert names == [MARKER_NAME, "manifest.json"]
    (tmp_path / "out" / "config.json").write_bytes(b"[]")
    with pytest.raises(InputError, match=r"config\.json was added, changed or removed since"):
        fetch_published(location, tmp_path / "out")


def test_a_folder_with_other_files_is_never_fetched_over(s3, bucket, model, location, tmp_path):
    publish(model, location)
    s3.put_object(Bucket=bucket, Key="plain/a", Body=b"x")
    target = write_tree(tmp_path / "out", {"mine.txt": b"keep"})
    for fetch, place in (
        (fetch_published, location),
        (fetch_folder, location),
        (fetch_folder, f"s3://{bucket}/plain"),
    ):
        with pytest.raises(InputError, match=r"holds files that .*; give a new or an empty folder"):
            fetch(place, target)
    assert content_of(target) == {"mine.txt": b"keep"}


class TestUnpublished:
    """Files that someone put there by other means."""

    def test_one_object_is_fetched_under_its_name(self, s3, bucket, tmp_path):
        s3.put_object(Bucket=bucket, Key="data/train set.json", Body=b"[1]")
        location = f"s3://{bucket}/data/train set.json"
        path = fetch_file(location, tmp_path / "data")
        assert path == tmp_path / "data" / "train set.json"
        assert path.read_bytes() == b"[1]"
        s3.put_object(Bucket=bucket, Key="data/train set.json", Body=b"[2]")
        assert fetch_file(location, tmp_path / "data").read_bytes() == b"[2]"
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["train set.json"]

    def test_a_prefix_is_fetched_as_a_folder(self, s3, bucket, tmp_path):
        for key, body in {
            "d/a": b"1",
            "d/sub/b": b"2",
            "d/": b"",
            "d/e/": b"",
            "dd/c": b"3",
        }.items():
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        folder = fetch_folder(f"s3://{bucket}/d/", tmp_path / "out")
        assert content_of(folder) == {"a": b"1", "sub/b": b"2"}

    def test_it_is_not_taken_for_published_content(self, s3, bucket, tmp_path):
        s3.put_object(Bucket=bucket, Key="d/a", Body=b"1")
        with pytest.raises(InputError, match=r"no commit marker \(_COMMITTED\)"):
            fetch_published(f"s3://{bucket}/d", tmp_path / "out")

    def test_more_objects_than_one_listing_holds_are_all_fetched(
        self, s3, bucket, tmp_path, environment
    ):
        for number in range(5):
            s3.put_object(Bucket=bucket, Key=f"d/{number}", Body=b"x")

        def two_at_once(params, **_):
            params["query_string"]["max-keys"] = 2

        watch(environment, "before-call.s3.ListObjectsV2", two_at_once)
        assert len(content_of(fetch_folder(f"s3://{bucket}/d", tmp_path / "out"))) == 5

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            (["d/a", "d/../b"], "The name '../b' can't be used in s3://"),
            (["d//a"], "The name '/a' can't be used in s3://"),
            (["d/a", "d/a/b"], "A file stands where a folder is needed"),
            (["d/" + "x" * 300], "can't be written: File name too long"),
        ],
    )
    def test_keys_that_are_no_paths_are_refused(self, s3, bucket, tmp_path, keys, said):
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        with pytest.raises(InputError) as caught:
            fetch_folder(f"s3://{bucket}/d", tmp_path / "out")
        assert said in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_the_wrong_kind_of_location_is_said(self, s3, bucket, tmp_path):
        s3.put_object(Bucket=bucket, Key="d/a", Body=b"")
        for location in (f"s3://{bucket}/d", f"s3://{bucket}"):
            with pytest.raises(InputError, match=f"{location} can't be read"):
                fetch_file(location, tmp_path)
        for fetch in (fetch_folder, fetch_published):
            with pytest.raises(InputError, match=f"There are no objects at s3://{bucket}/d/a"):
                fetch(f"s3://{bucket}/d/a", tmp_path / "out")

    def test_a_download_that_fails_half_way_leaves_nothing(self, s3, bucket, tmp_path):
        s3.put_object(Bucket=bucket, Key="d/a", Body=bytes(5000))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for fetch, name in ((fetch_file, "d/a"), (fetch_folder, "d")):
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            try:
                with pytest.raises(InputError, match=r"out.* can't be written: File too large"):
                    fetch(f"s3://{bucket}/{name}", tmp_path / "out")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_an_object_in_the_place_of_a_folder_of_this_machine_is_said(self, s3, bucket, tmp_path):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x")
        (tmp_path / "out" / "a").mkdir(parents=True)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="a can't be written: Is a directory"):
            fetch_file(f"s3://{bucket}/a", tmp_path / "out")
        for folder in ("file", "file/out"):
            with pytest.raises(InputError, match="file stands where a folder is needed"):
                fetch_file(f"s3://{bucket}/a", tmp_path / folder)


class TestDigests:
    def test_the_digest_of_an_object_changes_with_its_content(self, s3, bucket):
        location = f"s3://{bucket}/a"
        digests = []
        for body in (b"1", b"2", b"1"):
            s3.put_object(Bucket=bucket, Key="a", Body=body)
            digests.append(content_digest(location))
        assert digests[0] == digests[2] != digests[1]

    def test_the_digest_of_a_prefix_changes_with_any_content_or_name(self, s3, bucket):
        digests = []
        for key, body in (("d/a", b"1"), ("d/b", b"2"), ("d/b", b"3"), ("e", b"beside")):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            digests.append(content_digest(f"s3://{bucket}/d"))
        assert len(set(digests)) == 3
        assert digests[2] == digests[3]

    def test_the_digest_covers_an_object_and_a_prefix_of_the_same_name(self, s3, bucket):
        digests = []
        for key, body in (("d", b"1"), ("d/a", b"1"), ("d/a", b"2"), ("d", b"2")):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            digests.append(content_digest(f"s3://{bucket}/d"))
        assert len(set(digests)) == 4

    def test_the_digest_of_published_content_ignores_dead_attempts_but_not_tampering(
        self, s3, model, bucket, location
    ):
        publish(model, location)
        before = content_digest(location)
        prefix = location.removeprefix(f"s3://{bucket}/")
        s3.put_object(Bucket=bucket, Key=f"{prefix}/content-dead/x", Body=b"")
        assert content_digest(location) == before
        s3.put_object(Bucket=bucket, Key=key_ending(s3, bucket, "config.json"), Body=b"[]")
        assert content_digest(location) != before

    def test_no_object_is_read_for_a_digest(self, s3, bucket, environment):
        s3.put_object(Bucket=bucket, Key="d/a", Body=b"1")
        read = []
        watch(environment, "before-call.s3.GetObject", lambda params, **_: read.append(params))
        content_digest(f"s3://{bucket}/d")
        content_digest(f"s3://{bucket}/d/a")
        assert {params["url_path"].rpartition("/")[2] for params in read} == {MARKER_NAME}


CALLS = {
    "fetch_file": fetch_file,
    "fetch_folder": fetch_folder,
    "fetch_published": fetch_published,
    "content_digest": lambda location, _: content_digest(location),
    "publish": lambda location, folder: publish(folder.parent / "model", location),
}


@contextmanager
def refused(*said: str):
    """Each failure is one sentence that names the location, whatever was asked for."""
    with pytest.raises(InputError) as caught:
        yield
    for text in said:
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_bucket(call, environment, model, tmp_path, endpoint):
    with refused("s3://no-such-bucket/x", f"(server {endpoint}).", "orrect the "):
        call("s3://no-such-bucket/x", tmp_path / "out")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_key(call, bucket, model, tmp_path, endpoint):
    if call is CALLS["publish"]:
        pytest.skip("what publishing is for")
    with refused(f"s3://{bucket}/no/such/key", f"(server {endpoint})", "orrect the loc"):
        call(f"s3://{bucket}/no/such/key", tmp_path / "out")


@pytest.mark.parametrize("call", [CALLS["fetch_file"], CALLS["publish"]], ids=["fetch", "publish"])
class TestConnections:
    """What fails in the first request; all calls but fetch_file make the same one."""

    def test_a_server_that_is_not_there(self, call, environment, model, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        environment.setenv("AWS_ENDPOINT_URL", url)
        with refused("s3://bucket/x", f"(server {url}). Check AWS_ENDPOINT_URL"):
            call("s3://bucket/x", tmp_path / "out")

    def test_a_server_that_does_not_answer(self, call, environment, model, tmp_path):
        environment.setenv("SQUADRON_S3_READ_TIMEOUT", "0.1")
        with socket.create_server(("127.0.0.1", 0)) as mute:
            environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{mute.getsockname()[1]}")
            with refused("Read timeout on", "SQUADRON_S3_READ_TIMEOUT"):
                call("s3://bucket/x", tmp_path / "out")

    def test_a_server_without_a_trusted_certificate(
        self, call, environment, endpoint, model, tmp_path
    ):
        environment.setenv("AWS_ENDPOINT_URL", f"https://{urlsplit(endpoint).netloc}")
        with refused("SSL validation failed", "or set AWS_CA_BUNDLE to"):
            call("s3://bucket/x", tmp_path / "out")

    def test_a_missing_certificate_file(self, call, environment, endpoint, model, tmp_path):
        environment.setenv("AWS_ENDPOINT_URL", f"https://{urlsplit(endpoint).netloc}")
        environment.setenv("AWS_CA_BUNDLE", "/no/such/bundle")
        with refused("s3://bucket/x", "No such file", "or set AWS_CA_BUNDLE to"):
            call("s3://bucket/x", tmp_path / "out")

    def test_no_credentials(self, call, environment, bucket, model, tmp_path):
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        with refused("Unable to locate credentials", "Check AWS_ACCESS_KEY_ID"):
            call(f"s3://{bucket}/x", tmp_path / "out")

    def test_an_unknown_profile(self, call, environment, bucket, model, tmp_path):
        environment.setenv("AWS_PROFILE", "nobody")
        with refused("The config profile (nobody) could not be found"):
            call(f"s3://{bucket}/x", tmp_path / "out")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AccessDenied", "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (or role)"),
        (403, "SignatureDoesNotMatch", "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        (403, "InvalidAccessKeyId", "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        (400, "ExpiredToken", "Get new credentials."),
        (411, "MissingContentLength", "Set SQUADRON_S3_CHECKSUMS=when_required."),
        (500, "InternalError", "An error occurred (InternalError)"),
    ],
)
def test_a_refused_upload_says_why(environment, model, location, status, code, said):
    watch(environment, "before-call.s3.PutObject", lambda **_: answer(status, code))
    with pytest.raises(InputError) as caught:
        publish(model, location)
    assert location in str(caught.value)
    assert "can't be written: " in str(caught.value)
    assert said in str(caught.value)


def test_a_host_name_is_never_put_before_the_bucket(environment, endpoint, bucket, model, tmp_path):
    """In a cluster the server is a service name, which has no name for each bucket under it."""
    environment.setenv("AWS_ENDPOINT_URL", endpoint.replace("127.0.0.1", "localhost"))
    hosts = []
    watch(environment, "before-send.s3", lambda request, **_: hosts.append(request.url))
    publish(model, f"s3://{bucket}/x")
    assert {urlsplit(url).hostname for url in hosts} == {"localhost"}


def test_a_writable_prefix_is_left_as_it_was(s3, bucket, location):
    before = keys_in(s3, bucket)
    require_writable(location)
    assert keys_in(s3, bucket) == before


def test_a_missing_bucket_is_not_writable(environment):
    with pytest.raises(InputError, match=r"can't be written: .*NoSuchBucket.*Create it or"):
        require_writable("s3://no-such-bucket-of-ours/results")
