"""The routes of MLflow's scoring server, with its formats.

Source: mlflow/pyfunc/scoring_server/__init__.py and mlflow/utils/proto_json_utils.py of MLflow
3.17. MLflow's server takes `inputs` alone for a model with a typed input; all four formats mean
the same here.
"""

from typing import TYPE_CHECKING, Any

from squadron.requirements import find_version
from squadron.serving.errors import RequestError, show

if TYPE_CHECKING:
    from fastapi import FastAPI

    from squadron.serving.service import Service

FORMATS = ("inputs", "instances", "dataframe_records", "dataframe_split")
PARAMS = "params"


def add_mlflow_routes(app: "FastAPI", service: "Service") -> None:
    """Adds /invocations, /ping, /health and /version."""
    from fastapi import Request, Response

    from squadron.serving import questions
    from squadron.serving.reading import read_json
    from squadron.serving.responses import JsonResponse

    @app.post(
        "/invocations",
        tags=["MLflow"],
        summary="Answer several questions, in MLflow's formats",
        openapi_extra=questions.describe_invocations(),
    )
    async def invocations(request: Request) -> Response:
        body = await read_json(request, service.settings.max_depth)
        rows, paths, params = read_rows(body)
        answered = await questions.answer(service, rows, paths, params, "params", request)
        return JsonResponse({"predictions": answered.rows})

    mlflow_version = find_version("mlflow")

    async def ping() -> Response:
        status = 503 if service.draining else 200
        return Response("\n", status_code=status, media_type="application/json")

    app.get("/ping", tags=["MLflow"], summary="Whether the server is ready")(ping)
    app.get("/health", tags=["MLflow"], summary="Whether the server is ready")(ping)

    @app.get("/version", tags=["MLflow"], summary="The version of MLflow")
    async def version() -> Response:
        return Response(mlflow_version, media_type="application/json")


def read_rows(body: object) -> tuple[list[Any], list[str], object]:
    """Returns the rows of a body in one of MLflow's formats.

    Returns:
        The rows, the path of each row in the body, and the value of `params`; {} without one.

    Raises:
        RequestError: If the body is in none of the formats.
    """
    if not isinstance(body, dict):
        raise RequestError(422, f"The body is {_kind(body)}; send a JSON object with `inputs`")
    found = [name for name in FORMATS if name in body]
    if len(found) != 1:
        raise RequestError(
            422,
            f"The body has {' and '.join(found) or 'none'} of {', '.join(FORMATS)}; give exactly "
            "one of them",
        )
    more = [name for name in body if name not in (*FORMATS, PARAMS)]
    if more:
        raise RequestError(422, f"The body has the key {show(more[0])}; leave it out", more[0][:60])
    (name,) = found
    params = body.get(PARAMS)
    if name == "dataframe_split":
        rows, paths = _read_split(body[name])
    else:
        rows, paths = _read_list(name, body[name])
    return rows, paths, {} if params is None else params


def _read_list(name: str, value: object) -> tuple[list[Any], list[str]]:
    """Reads a list of rows. MLflow also takes lists of values by column for `inputs`."""
    if isinstance(value, dict) and name in ("inputs", "instances"):
        return _read_columns(name, value)
    if not isinstance(value, list):
        raise RequestError(422, f"{name} is {_kind(value)}; give a list of questions", name)
    return value, [f"{name}[{number}]" for number in range(len(value))]


def _read_columns(name: str, value: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """Reads {"question": [...], "context": [...]}, or one row without lists."""
    if not any(isinstance(each, list) for key, each in value.items() if key != "contexts"):
        return [value], [name]
    length = max(len(each) for each in value.values() if isinstance(each, list))
    for key, each in value.items():
        if not isinstance(each, list) or len(each) != length:
            raise RequestError(
                422,
                f"{name}.{key[:60]} has another length than other columns; give one value per row",
                f"{name}.{key[:60]}",
            )
    rows = [{key: column[number] for key, column in value.items()} for number in range(length)]
    return rows, [f"{name}[{number}]" for number in range(length)]


def _read_split(value: object) -> tuple[list[Any], list[str]]:
    """Reads {"columns": [...], "data": [[...], ...]}, as pandas writes it."""
    name = "dataframe_split"
    if not isinstance(value, dict) or not {"data"} <= set(value) <= {"columns", "data", "index"}:
        raise RequestError(
            422, f"{name} must be an object with `columns`, `data` and, if you like, `index`", name
        )
    columns, data = value.get("columns"), value["data"]
    if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
        raise RequestError(422, f"{name}.columns must be a list of names", f"{name}.columns")
    if len(set(columns)) < len(columns):
        raise RequestError(422, f"{name}.columns has a name twice", f"{name}.columns")
    if not isinstance(data, list):
        raise RequestError(422, f"{name}.data is {_kind(data)}; give a list", f"{name}.data")
    paths = [f"{name}.data[{number}]" for number in range(len(data))]
    for row, path in zip(data, paths, strict=True):
        if not isinstance(row, list) or len(row) != len(columns):
            raise RequestError(
                422, f"{path} must be a list of {len(columns)} values, one per column", path
            )
    return [dict(zip(columns, row, strict=True)) for row in data], paths


def _kind(value: object) -> str:
    """Returns what a JSON value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "null" if value is None else "a number")
