"""Health and metadata of the open inference protocol, which KServe calls v2.

Source: specification/protocol/inference_rest.md and open_inference_rest.yaml of
kserve/open-inference-protocol. Questions go to /answer and /invocations: the protocol's `infer`
takes tensors and is not here.
"""

from typing import TYPE_CHECKING, Any

from squadron import __version__
from squadron.serving.errors import RequestError, show

if TYPE_CHECKING:
    from fastapi import FastAPI

    from squadron.serving.engine import Engine
    from squadron.serving.service import Service

SERVER = "squadron"
PLATFORM = "squadron_reader"
INPUTS = (("question", "BYTES"), ("context", "BYTES"))
OUTPUTS = (
    ("text", "BYTES"),
    ("start_char", "INT64"),
    ("end_char", "INT64"),
    ("score", "FP64"),
    ("probability", "FP64"),
    ("answered", "BOOL"),
)


def add_v2_routes(app: "FastAPI", service: "Service") -> None:
    """Adds /v2 and everything below it."""

    @app.get("/v2/", include_in_schema=False)
    @app.get("/v2", tags=["KServe v2"], summary="Name and version of the server")
    async def server() -> dict[str, Any]:
        return {"name": SERVER, "version": __version__, "extensions": []}

    @app.get("/v2/health/live", tags=["KServe v2"], summary="Whether the server runs")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready", tags=["KServe v2"], summary="Whether the server is ready")
    async def ready() -> dict[str, bool]:
        _check_ready(service)
        # The specification's text calls the field `live`, other servers call it `ready`.
        return {"live": True, "ready": True}

    tags: list[Any] = ["KServe v2"]

    @app.get("/v2/models/{name}/versions/{version}", tags=tags, summary="What a version takes")
    @app.get("/v2/models/{name}", tags=tags, summary="What the model takes and gives")
    async def model(name: str, version: str = "") -> dict[str, Any]:
        engine = _find(service, name, version)
        return {
            "name": engine.name,
            "versions": [engine.version] if engine.version else [],
            "platform": PLATFORM,
            "inputs": [_describe(*each) for each in INPUTS],
            "outputs": [_describe(*each) for each in OUTPUTS],
        }

    @app.get(
        "/v2/models/{name}/versions/{version}/ready",
        tags=tags,
        summary="Whether a version is ready",
    )
    @app.get("/v2/models/{name}/ready", tags=tags, summary="Whether the model is ready")
    async def model_ready(name: str, version: str = "") -> dict[str, Any]:
        engine = _find(service, name, version)
        _check_ready(service)
        return {"name": engine.name, "ready": True}


def _describe(name: str, datatype: str) -> dict[str, Any]:
    """Returns the metadata of a tensor with one value per question."""
    return {"name": name, "datatype": datatype, "shape": [-1]}


def _check_ready(service: "Service") -> None:
    """Refuses with status 503 while the server ends."""
    if service.draining:
        raise RequestError(503, "The server is shutting down; send requests to another one")


def _find(service: "Service", name: str, version: str) -> "Engine":
    """Returns the model that answers, if it has this name and version.

    Raises:
        RequestError: With status 404 if it has not.
    """
    engine = service.engine
    if name != engine.name or (version and version != engine.version):
        served = f"{engine.name} version {engine.version}" if engine.version else engine.name
        asked = f"{show(name)} version {show(version)}" if version else show(name)
        raise RequestError(404, f"This server has no model {asked}; it serves {served}")
    return engine
