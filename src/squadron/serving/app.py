"""Puts the routes together: what each path of the server is."""

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from squadron import __version__
from squadron.serving import questions
from squadron.serving.docs_page import write_docs
from squadron.serving.errors import RequestError, show
from squadron.serving.gate import Gate
from squadron.serving.metrics import CONTENT_TYPE
from squadron.serving.mlflow_routes import add_mlflow_routes
from squadron.serving.page import add_page
from squadron.serving.reading import read_json
from squadron.serving.responses import JsonResponse, error_response
from squadron.serving.service import Service
from squadron.serving.v2_routes import add_v2_routes

PARAMS = ("top_k", "threshold", "max_answer_tokens", "explain")


def create_app(service: Service) -> Gate:
    """Returns the ASGI application of a server.

    Args:
        service: What answers.
    """
    app = FastAPI(
        title="Squadron",
        version=__version__,
        summary="Answers questions about texts with a trained model.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_exception_handler(RequestError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(Exception, _fail)
    _add_answer(app, service)
    _add_about(app, service)
    add_mlflow_routes(app, service)
    add_v2_routes(app, service)
    add_page(app)
    return Gate(app, service.settings, service.metrics)


def _add_answer(app: FastAPI, service: Service) -> None:
    """Adds /answer."""

    @app.post("/answer", summary="Answer one question", openapi_extra=questions.describe_answer())
    async def answer(request: Request) -> Response:
        body = await read_json(request, service.settings.max_depth)
        if not isinstance(body, dict):
            raise RequestError(422, "The body is no JSON object; send one with `question`")
        params = {name: body.pop(name) for name in PARAMS if name in body}
        answered = await questions.answer(service, [body], [""], params, "", request)
        model = {"name": answered.engine.name, "version": answered.engine.version}
        return JsonResponse({"model": model, "answer": answered.rows[0]})


def _add_about(app: FastAPI, service: Service) -> None:
    """Adds the routes that tell of the server: /about, /metrics, /docs."""

    @app.get("/about", summary="The model that answers, its figures, and the limits")
    async def about() -> dict[str, Any]:
        engine = service.engine
        return {
            "model": engine.name,
            "version": engine.version,
            "alias": engine.alias,
            "variant": engine.variant,
            "figures": engine.figures,
            "has_index": service.search is not None,
            "keeps_context": bool(engine.context),
            "limits": service.settings.limits(),
        }

    @app.get("/metrics", summary="Figures for Prometheus")
    async def metrics() -> Response:
        return Response(service.metrics.show(), media_type=CONTENT_TYPE)

    @app.get("/docs", summary="This list")
    async def docs() -> Response:
        return Response(write_docs(app.openapi()), media_type="text/html; charset=utf-8")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error, request.url.path)


async def _fail(request: Request, error: Exception) -> Response:
    """Answers after an error of this program, which the gate logs."""
    message = "The server failed on this request; its log has the reason"
    return error_response(RequestError(500, message), request.url.path)


async def _refuse_http(request: Request, error: Exception) -> Response:
    """Answers what the framework refuses, such as an unknown path, in the shape of all errors."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    messages = {
        404: f"There is no {show(path)} here; /docs lists the paths",
        405: f"{show(path)} does not take {show(method, 20)}; /docs lists the methods of each path",
    }
    message = messages.get(error.status_code, f"The request was refused: {show(error.detail)}")
    return error_response(RequestError(error.status_code, message, headers=error.headers), path)
