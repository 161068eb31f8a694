"""What an emulator can't prove, against a real S3 server that checks who asks (made for Ceph)."""

import json
import os
import threading
from uuid import uuid4

import boto3
import pytest

from squadron.errors import InputError
from squadron.storage import (
    MARKER_NAME,
    content_digest,
    fetch_file,
    fetch_folder,
    fetch_published,
    publish,
)
from tests.trees import content_of, write_tree

VARIABLES = (
    "SQUADRON_TEST_S3_ENDPOINT",
    "SQUADRON_TEST_S3_ACCESS_KEY",
    "SQUADRON_TEST_S3_SECRET_KEY",
)
SERVER = {name: os.environ.get(name, "") for name in VARIABLES}
MISSING = [name for name, value in SERVER.items() if not value]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"set {', '.join(MISSING)} to a server where buckets may be made, such as Ceph's "
        "radosgw: http://127.0.0.1:7480 with its user's two keys",
    ),
]

ODD_NAMES = ["a b+c%2F#?&=.txt", "é😀/ü", "quote'\"<>", "back\\slash", "new\nline", "~-_.!*()"]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("AWS_", "SQUADRON_S3"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", SERVER["SQUADRON_TEST_S3_ENDPOINT"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SERVER["SQUADRON_TEST_S3_ACCESS_KEY"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SERVER["SQUADRON_TEST_S3_SECRET_KEY"])
    return monkeypatch


@pytest.fixture
def s3(environment):
    return boto3.session.Session().client("s3", region_name="us-east-1")


@pytest.fixture
def bucket(s3):
    name = f"squadron-test-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    s3.delete_bucket_policy(Bucket=name)
    while objects := s3.list_objects_v2(Bucket=name).get("Contents", []):
        for item in objects:
            s3.delete_object(Bucket=name, Key=item["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def location(bucket):
    return f"s3://{bucket}/models/run 7/best"


@pytest.fixture
def model(tmp_path):
    files = {"config.json": b"{}", "weights/a.safetensors": bytes(range(256)) * 20, "empty": b""}
    return write_tree(tmp_path / "model", files)


def key_ending(s3, bucket: str, end: str) -> str:
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    (key,) = [key for key in keys if key.endswith(end)]
    return key


def deny(s3, bucket: str, *actions: str) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": list(actions),
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


CALLS = {
    "fetch_file": fetch_file,
    "fetch_folder": fetch_folder,
    "fetch_published": fetch_published,
    "content_digest": lambda location, _: content_digest(location),
    "publish": lambda location, folder: publish(folder.parent / "model", location),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
def test_what_is_fetched_is_what_was_published(bucket, location, tmp_path, environment, checksums):
    environment.setenv("SQUADRON_S3_CHECKSUMS", checksums)
    files = {name: name.encode() for name in ODD_NAMES}
    files["large"] = os.urandom(1024) * (17 * 1024)  # three parts
    source = write_tree(tmp_path / "source", files)
    publish(source, location)
    publish(source, location)
    assert content_of(fetch_published(location, tmp_path / "out")) == files
    assert content_digest(location) == content_digest(location)


@every_call
def test_a_wrong_secret_is_refused(call, location, model, environment, tmp_path):
    publish(model, location)
    environment.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match=r"SignatureDoesNotMatch.* Check AWS_ACCESS_KEY_ID"):
        call(location, tmp_path / "out")
    assert not any((tmp_path / "out").rglob("*"))


@every_call
def test_an_unknown_access_key_is_refused(call, location, model, environment, tmp_path):
    environment.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(InputError, match=r"InvalidAccessKeyId.* Check AWS_ACCESS_KEY_ID"):
        call(location, tmp_path / "out")


@every_call
def test_a_forbidden_bucket_is_refused(call, s3, bucket, location, model, tmp_path):
    publish(model, location)
    if call is fetch_file:
        location = f"s3://{bucket}/{key_ending(s3, bucket, 'config.json')}"
    deny(s3, bucket, "s3:GetObject", "s3:PutObject", "s3:ListBucket")
    with pytest.raises(InputError, match=r"AccessDenied.* and the bucket's policy"):
        call(location, tmp_path / "out")
    assert not any((tmp_path / "out").rglob("*"))


def test_a_forbidden_object_is_refused(s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="d/a", Body=b"1")
    deny(s3, bucket, "s3:GetObject")
    for call, name in ((fetch_file, "d/a"), (fetch_folder, "d")):
        with pytest.raises(InputError, match=r"AccessDenied.* and the bucket's policy"):
            call(f"s3://{bucket}/{name}", tmp_path / "out")


def test_a_bucket_without_write_permission_is_refused(s3, bucket, location, model, tmp_path):
    deny(s3, bucket, "s3:PutObject")
    large = write_tree(tmp_path / "large", {"weights": bytes(9 * 1024 * 1024)})
    for source in (model, large):
        with pytest.raises(InputError, match=r"can't be written: .*AccessDenied.* bucket's policy"):
            publish(source, location)


def test_a_missing_bucket_and_a_missing_key_are_said(bucket, model, tmp_path):
    absent = f"{bucket}-absent"
    for call in CALLS.values():
        with pytest.raises(InputError, match=rf"s3://{absent}/x.*NoSuchBucket.* Create it or"):
            call(f"s3://{absent}/x", tmp_path / "out")
    for name in ("fetch_file", "fetch_folder", "fetch_published", "content_digest"):
        with pytest.raises(InputError, match=rf"s3://{bucket}/x.*orrect the location"):
            CALLS[name](f"s3://{bucket}/x", tmp_path / "out")


@pytest.mark.parametrize("body", [bytes(5120), b"short"])
def test_a_tampered_object_is_refused(s3, bucket, location, model, tmp_path, body):
    publish(model, location)
    before = content_digest(location)
    s3.put_object(Bucket=bucket, Key=key_ending(s3, bucket, "a.safetensors"), Body=body)
    with pytest.raises(InputError, match=r"a\.safetensors was added, changed or removed since"):
        fetch_published(location, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert content_digest(location) != before


def test_content_without_marker_is_refused_and_completed(s3, bucket, location, model, tmp_path):
    publish(model, location)
    s3.delete_object(Bucket=bucket, Key=key_ending(s3, bucket, MARKER_NAME))
    with pytest.raises(InputError, match="no commit marker"):
        fetch_published(location, tmp_path / "out")
    publish(model, location)
    assert content_of(fetch_published(location, tmp_path / "out")) == content_of(model)


def test_of_several_publishers_at_the_same_time_one_wins(location, tmp_path):
    sources = [write_tree(tmp_path / str(n), {"a": b"%d" % n, "b": b"x"}) for n in range(4)]
    for attempt in range(5):
        place = f"{location}-{attempt}"
        start = threading.Barrier(len(sources))
        winners, refusals = [], []

        def run(source, place=place, start=start, winners=winners, refusals=refusals):
            start.wait()
            try:
                publish(source, place)
                winners.append(source)
            except InputError as error:
                refusals.append(str(error))

        threads = [threading.Thread(target=run, args=[source]) for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all("already holds other published content" in text for text in refusals)
        fetched = content_of(fetch_published(place, tmp_path / f"out-{attempt}"))
        assert [content_of(source) for source in winners] == [fetched]
