"""The requests of the Hugging Face hub that loading a data set makes, answered on loopback.

Only the hub's HTTP is imitated, with the files of one repository at one commit. Its clients run as
they are: in a process of its own, because they read HF_ENDPOINT when they are imported.
"""

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "space/name"
COMMIT = "c" * 40


@contextlib.contextmanager
def serve_hub(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serves a data set; gives the address, and the paths that were asked for so far."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked.append(path)
            about, tree = f"/api/datasets/{NAME}/revision/", f"/api/datasets/{NAME}/tree/{COMMIT}"
            file = path.removeprefix(f"/datasets/{NAME}/resolve/{COMMIT}/")
            if path in (f"{about}main", f"{about}v2", about + COMMIT):
                siblings = [{"rfilename": name} for name in files]
                self.reply({"_id": "1", "id": NAME, "sha": COMMIT, "siblings": siblings})
            elif path.startswith(tree):
                self.reply(list_folder(files, path.removeprefix(tree).strip("/")))
            elif file in files:
                self.send_part(files[file])
            else:
                self.reply({"error": "not found"}, 404)

        do_HEAD = do_GET

        def send_part(self, content: bytes) -> None:
            wanted = self.headers.get("Range", "")
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            part = content[int(start or 0) : int(end) + 1 if end else None]
            place = f"bytes {start or 0}-{int(start or 0) + len(part) - 1}/{len(content)}"
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            headers |= {"Content-Range": place} if wanted else {}
            self.reply(part, 206 if wanted else 200, **headers)

        def reply(self, content: Any, status: int = 200, **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            kind = "application/octet-stream" if body is content else "application/json"
            for name, value in ({"Content-Type": kind} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def list_folder(files: dict[str, bytes], folder: str) -> list[dict[str, object]]:
    """Returns the entries of one folder of the repository."""
    inside = f"{folder}/" if folder else ""
    names = [name.removeprefix(inside) for name in files if name.startswith(inside)]
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    found: list[dict[str, object]] = [
        {"type": "directory", "path": inside + name, "oid": "d" * 40, "size": 0} for name in folders
    ]
    for name in names:
        if "/" not in name:
            content = files[inside + name]
            oid = hashlib.sha1(content).hexdigest()
            found.append({"type": "file", "path": inside + name, "oid": oid, "size": len(content)})
    return found
