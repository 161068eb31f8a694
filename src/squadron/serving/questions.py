"""From the JSON of a request to questions for the model, and the limits on them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from squadron.serving.answer_rows import Asked, ask
from squadron.serving.errors import RequestError
from squadron.serving.gate import NOTES
from squadron.serving.index_rows import AskedIndex
from squadron.serving.service import Answered, Service
from squadron.serving.settings import Settings
from squadron.serving.wire import FieldError, Params, Question, read

if TYPE_CHECKING:
    from starlette.requests import Request

INDEX = "index"
MOST_FIELD_CHARACTERS = 100


async def answer(
    service: Service,
    rows: Sequence[object],
    places: Sequence[str],
    params: object,
    params_place: str,
    request: "Request",
) -> Answered:
    """Answers the questions of one request.

    Args:
        service: What answers.
        rows: The questions as JSON values.
        places: Where each is in the request, such as "inputs[0]"; "" if it is the request.
        params: How to answer, as a JSON value.
        params_place: Where that is in the request; "" if it is the request.
        request: Gets notes for the log.

    Raises:
        RequestError: With the first field that can't be used, or because of the limits.
    """
    most = service.settings.max_questions
    if len(rows) > most:
        raise RequestError(
            422, f"The request has {len(rows)} questions; at most {most} are allowed", places[0]
        )
    try:
        options = read(Params, params, params_place).options()
        own = service.engine.context
        asked: list[Asked | AskedIndex] = []
        for row, place in zip(rows, places, strict=True):
            if isinstance(row, Mapping) and INDEX in row:
                asked.append(_read_index_question(row, place, service.settings, options))
                continue
            question = read(Question, row, place)
            _check_limits(question, place, service.settings)
            asked.append(ask(question, options, own, place))
    except FieldError as error:
        raise _as_request_error(error) from None
    answered = await service.answer(asked)
    _note(request, service.settings, asked, answered)
    return answered


def _read_index_question(
    row: Mapping[str, Any], place: str, settings: Settings, options: Any
) -> AskedIndex:
    """Reads a question for the index of the server.

    Raises:
        FieldError: With the first field that can't be used.
    """
    if row[INDEX] is not True:
        raise FieldError(_join(place, INDEX), "must be true, or be left out")
    for name in ("context", "contexts"):
        if name in row:
            raise FieldError(_join(place, name), "stands beside `index`; give one of the two")
    # The text stands for those that the search will find.
    question = read(Question, {**_without(row, INDEX), "context": "-"}, place)
    _check_limits(question, place, settings)
    return AskedIndex(question.question, options)


def _check_limits(question: Question, place: str, settings: Settings) -> None:
    """Refuses a question or contexts that are longer than this server allows.

    Raises:
        FieldError: With the field.
    """
    contexts = question.contexts or []
    characters = sum(map(len, contexts)) + len(question.context or "")
    name = "context" if question.contexts is None else "contexts"
    for field, what, found, most in (
        ("question", "characters", len(question.question), settings.max_question_chars),
        ("contexts", "texts", len(contexts), settings.max_contexts),
        (name, "characters", characters, settings.max_context_chars),
    ):
        if found > most:
            raise FieldError(
                _join(place, field), f"has {found:,} {what}; this server allows {most:,}"
            )


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _as_request_error(error: FieldError) -> RequestError:
    """Returns an error of a field with status 422. A client may have chosen a very long name."""
    text = str(error)
    field = error.field[:MOST_FIELD_CHARACTERS]
    if len(error.field) > len(field):
        text = f"{field}... {text[len(error.field) :].lstrip()}"
    return RequestError(422, "".join(each if each.isprintable() else " " for each in text), field)


def _note(
    request: "Request",
    settings: Settings,
    asked: Sequence[Asked | AskedIndex],
    answered: Answered,
) -> None:
    """Notes for the log what was answered; texts only if the settings allow them."""
    notes = request.scope.get(NOTES, {})
    notes["model"] = answered.engine.name
    notes["version"] = answered.engine.version
    notes["questions"] = len(asked)
    notes["abstained"] = sum(not row["answered"] for row in answered.rows)
    notes["batch"] = answered.batch
    if settings.log_questions:
        notes["asked"] = [each.question for each in asked]
        notes["answers"] = [row["text"] for row in answered.rows]


def describe_answer() -> dict[str, object]:
    """Returns what OpenAPI says of the body of /answer."""
    properties = {
        **Question.model_json_schema()["properties"],
        INDEX: {"type": "boolean", "description": "Search the index of the server."},
        **Params.model_json_schema()["properties"],
    }
    schema = {"type": "object", "required": ["question"], "properties": properties}
    return _describe_body(schema, {**_EXAMPLE, "top_k": 2})


def describe_invocations() -> dict[str, object]:
    """Returns what OpenAPI says of the body of /invocations."""
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {"type": "array", "items": Question.model_json_schema()},
            "params": Params.model_json_schema(),
        },
    }
    return _describe_body(schema, {"inputs": [_EXAMPLE], "params": {"top_k": 2}})


_EXAMPLE = {"question": "Who wrote it?", "context": "Ada wrote it in 1843."}


def _describe_body(
    schema: Mapping[str, object], example: Mapping[str, object]
) -> dict[str, object]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
