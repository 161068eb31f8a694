"""The requests of the Hugging Face hub that pushing a model makes, answered on loopback.

Only the hub's HTTP is imitated, as huggingface_hub 2.4 asks it: hf_api.py (create_repo, repo_info,
create_commit, _validate_yaml), _commit_api.py (_fetch_upload_modes, _send_commit) and lfs.py
(post_lfs_batch_info, _upload_single_part). Its client runs as it is, in a process of its own.
"""

import base64
import contextlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_token_of_a_test"
COMMIT = "c" * 40


@dataclass
class ModelHub:
    """What the hub holds and was asked."""

    address: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Name -> file -> content, after commits."""
    visibility: dict[str, str] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """sha256 -> content of large files, which are in no repository before a commit."""
    asked: list[str] = field(default_factory=list)
    """Methods and paths."""
    failing: str = ""
    """Requests whose "METHOD path" matches this expression get the status 403."""


@contextlib.contextmanager
def serve_model_hub() -> Iterator[ModelHub]:
    """Serves an empty hub."""
    hub = ModelHub()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            asked = f"{self.command} {path}"
            hub.asked.append(asked)
            if path == "/":
                return self.reply({})
            if hub.failing and re.search(hub.failing, asked):
                return self.reply({"error": "You have no access here"}, 403)
            # A large file goes to a storage with a signed address, without the token.
            if path.startswith("/storage/"):
                hub.stored[path.removeprefix("/storage/")] = body
                return self.reply({})
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.reply({"error": "Invalid credentials"}, 401)
            return self.reply(*handle(hub, path, body))

        do_GET = do_HEAD = do_POST = do_PUT = answer

        def reply(self, content: Any, status: int = 200) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hub
        server.shutdown()


def handle(hub: ModelHub, path: str, body: bytes) -> tuple[Any, int]:
    """Returns the answer to a request, and its status."""
    if path == "/api/repos/create":
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in hub.repositories:
            return {"error": "You already created this model repo"}, 409
        hub.repositories[name], hub.visibility[name] = {}, asked.get("visibility", "public")
        return {"url": f"{hub.address}/{name}"}, 200
    if path == "/api/validate-yaml":
        return {"errors": [], "warnings": []}, 200
    found = re.fullmatch(r"/(?:api/models/)?([^/]+/[^/.]+)(?:\.git)?(/.*)?", path)
    name, rest = (found[1], found[2] or "") if found else ("", "")
    if name not in hub.repositories:
        return {"error": "Repository not found"}, 404
    if not rest:
        return {"_id": "1", "id": name, "sha": COMMIT, "siblings": []}, 200
    if rest == "/preupload/main":
        files = [
            {
                "path": each["path"],
                "uploadMode": (
                    "lfs" if each["path"].endswith((".safetensors", ".onnx")) else "regular"
                ),
                "shouldIgnore": False,
            }
            for each in json.loads(body)["files"]
        ]
        return {"files": files}, 200
    if rest == "/info/lfs/objects/batch":
        objects = [
            each | {"actions": {"upload": {"href": f"{hub.address}/storage/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        return {"transfer": "basic", "objects": objects}, 200
    if rest == "/commit/main":
        return commit(hub, name, body), 200
    return {"error": f"unknown: {path}"}, 404


def commit(hub: ModelHub, name: str, body: bytes) -> dict[str, Any]:
    """Adds the files of a commit to a repository, all at once."""
    new = {}
    for line in body.splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            new[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            new[value["path"]] = hub.stored[value["oid"]]
    hub.repositories[name] |= new
    return {"commitUrl": f"{hub.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
