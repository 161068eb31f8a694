"""Every layout is read from S3, as a file or as the objects under a prefix."""

from pathlib import Path

import boto3
import pytest

from squadron import steps
from squadron.artifacts import read_record, read_table
from squadron.config import Data, Documents, Synthesize, to_json
from squadron.data import locations
from squadron.errors import InputError
from squadron.steps.passages import AboutPassages
from tests.layouts import LAYOUTS, QUESTIONS, without_places, write
from tests.s3_server import running_s3_server
from tests.unit.steps.test_ingest import ingest

pytestmark = pytest.mark.slow  # An S3 server is started.


@pytest.fixture(scope="module")
def endpoint():
    with running_s3_server() as url:
        yield url


@pytest.fixture
def client(endpoint, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return boto3.session.Session().client("s3", endpoint_url=endpoint)


def test_every_layout_is_read_from_s3(client, tmp_path):
    client.create_bucket(Bucket="layouts")
    for number, layout in enumerate(LAYOUTS):
        path = write(layout, tmp_path)
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        for file in files:
            key = f"{number}/{file.relative_to(tmp_path)}"
            client.upload_file(str(file), "layouts", key)
        location = f"s3://layouts/{number}/{path.name}"
        folder = tmp_path / f"fetched-{number}"
        assert without_places(locations.read_location("auto", location, folder)) == QUESTIONS
        assert locations.content_digest(location)
    # If an object and a prefix have one name, the object is read.
    client.upload_file(str(write("squad", tmp_path)), "layouts", "same/x.json")
    client.upload_file(str(write("squad", tmp_path)), "layouts", "same/x.json/more")
    found = locations.read_location("auto", "s3://layouts/same/x.json", tmp_path / "same")
    assert without_places(found) == QUESTIONS
    with pytest.raises(InputError, match="There are no objects at s3://layouts/none"):
        list(locations.read_location("auto", "s3://layouts/none", tmp_path / "none"))


def test_documents_for_synthetic_questions_are_read_from_s3(client, tmp_path):
    client.create_bucket(Bucket="documents")
    (tmp_path / "data.json").write_text(Path("examples/corpus.json").read_text())
    client.upload_file("examples/handbook.pdf", "documents", "texts/handbook.pdf")
    client.put_object(
        Bucket="documents", Key="texts/more/note.md", Body=b"It opened on 4 May 1931."
    )
    client.put_object(Bucket="documents", Key="other/handbook.pdf", Body=b"%PDF-1.4 broken")
    wanted = Synthesize(("s3://documents/texts", "s3://documents/other/handbook.pdf"))
    data = Data((str(tmp_path / "data.json"),), synthesize=wanted)
    found = [ingest(tmp_path / name, data) for name in ("first", "second")]
    (rows, report), (again, _) = found
    assert rows == again
    assert report["synthetic"]["documents"].keys() == {"handbook.pdf", "more/note.md"}
    assert report["synthetic"]["refused"].keys() == {"s3://documents/other/handbook.pdf"}
    made = [row for row in rows["train"] if row["id"].startswith("synthetic:")]
    assert len(made) == report["synthetic"]["questions"] > 50


def test_the_passages_of_documents_in_s3_are_the_same_in_every_run(client, tmp_path):
    client.create_bucket(Bucket="searched")
    client.upload_file("examples/handbook.pdf", "searched", "texts/handbook.pdf")
    client.upload_file("examples/moon_landing.txt", "searched", "texts/more/a.txt")
    client.upload_file("examples/moon_landing.txt", "searched", "other/a.txt")
    client.put_object(Bucket="searched", Key="other/handbook.pdf", Body=b"%PDF-1.4 broken")
    other = ("s3://searched/other/a.txt", "s3://searched/other/handbook.pdf")
    documents = Documents(files=("s3://searched/texts/handbook.pdf", "s3://searched/texts", *other))
    found = []
    for name in ("first", "second"):
        steps.passages(documents=to_json(documents), examples=tmp_path, passages=tmp_path / name)
        found.append(read_table(tmp_path / name / "passages.parquet", schema="passages/1"))
        about = read_record(AboutPassages, tmp_path / name / "documents.json")
        assert about.refused.keys() == {"s3://searched/other/handbook.pdf"}
    assert found[0] == found[1]
    names = set(found[0]["document"].to_pylist())
    # Two files of one name are told apart by the location.
    assert names == {"handbook.pdf", "s3://searched/texts/handbook.pdf", "more/a.txt", "a.txt"}
