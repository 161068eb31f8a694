"""An index of passages in S3, with a real server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from squadron.errors import InputError
from squadron.retrieval import PassageIndex, find_passages
from tests.at_once import call_at_once
from tests.s3_server import running_s3_server
from tests.unit.retrieval.indexes import WordEncoder, add_own_documents, open_index, version

SETTINGS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with running_s3_server() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in {**SETTINGS, "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="indexes")
        yield "s3://indexes"


def test_an_index_in_s3_is_built_updated_and_searched(bucket: str) -> None:
    place = f"{bucket}/one/index"
    open_index(place).update([version("a", 1), version("b", 1)])
    index = open_index(place)
    index.update([version("a", 2)], removed=["b"])
    assert index.documents() == {"a": version("a", 2).digest}
    found = find_passages(PassageIndex.open(place, WordEncoder()), "version v2 p7")
    assert found[0].passage.text == "Version v2 of a, passage p7."


def test_two_processes_at_once_lose_nothing(bucket: str, tmp_path: Path) -> None:
    place = f"{bucket}/two"
    ((one, two),) = call_at_once(add_own_documents, [(place, 4)], tmp_path)
    index = open_index(place)
    held = index.documents()
    assert held.keys() == {*one, *two, "shared"}
    if held["shared"] == "":  # both wrote it at the same moment
        index.update([version("shared", 3, 5)])
    assert index.documents()["shared"] == version("shared", 3, 5).digest
    assert index.describe().passages == 2 * 4 * 3 + 5


def test_a_place_without_an_index_is_named(bucket: str) -> None:
    with pytest.raises(InputError, match="There is no index in s3://indexes/none; build it"):
        PassageIndex.open(f"{bucket}/none", WordEncoder())


def test_a_missing_bucket_is_named(bucket: str) -> None:
    with pytest.raises(InputError, match="The index s3://missing/index can't be "):
        open_index("s3://missing/index")
