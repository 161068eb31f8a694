"""Checks how the files of the page are sent; tests/integration/test_page.py uses the page."""

import re
from importlib import resources
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from squadron.serving.page import MEDIA_TYPES, PATHS, add_page

ROOT = Path(__file__).resolve().parents[3]
FILES = resources.files("squadron.serving") / "page"
ROUTES = {name: path for path, name in PATHS.items()}


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    add_page(app)
    return TestClient(app)


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_file_is_sent_whole_and_closed_to_everything_from_elsewhere(client, name):
    got = client.get(ROUTES[name])
    assert got.status_code == 200
    assert got.content == (FILES / name).read_bytes()
    assert got.headers["content-type"] == MEDIA_TYPES[name]
    assert got.headers["x-content-type-options"] == "nosniff"
    policy = got.headers["content-security-policy"].split("; ")
    assert "default-src 'self'" in policy
    assert "unsafe" not in str(policy)
    assert "require-trusted-types-for 'script'" in policy


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_browser_that_has_a_file_is_sent_nothing_until_it_changes(client, name):
    tag = client.get(ROUTES[name]).headers["etag"]
    for known in (tag, f"W/{tag}", f'"another", {tag}'):
        got = client.get(ROUTES[name], headers={"If-None-Match": known})
        assert (got.status_code, got.content) == (304, b"")
        assert got.headers["cache-control"] == "no-cache"
    assert client.get(ROUTES[name], headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("path", ["/page/", "/page/../page.py", "/page/%2e%2e/pyfunc.py", "/x"])
def test_nothing_but_the_files_of_the_page_is_sent(client, path):
    assert client.get(path).status_code == 404


def test_the_page_is_no_part_of_the_interface(client):
    assert client.get("/openapi.json").json()["paths"] == {}


def test_every_file_of_the_folder_is_sent_and_is_part_of_the_package():
    assert {each.name for each in FILES.iterdir()} == set(MEDIA_TYPES)
    assert '"serving/page/*"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_file_names_no_other_server_and_makes_no_html_of_text(name):
    text = (FILES / name).read_text(encoding="utf-8")
    addresses = set(re.findall(r"\bhttps?://[^\s\"']+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, which is not loaded
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert not re.search(r"\son\w+=|\sstyle=|<script>|<style>", text)
    assert len(text.splitlines()) <= 350
