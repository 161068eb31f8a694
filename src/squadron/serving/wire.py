"""What a served model takes and gives: questions, params and answers, as JSON has them.

The pyfunc and the server use the same types, so that both refuse the same input. A value is never
converted: a number is no text, and null stands only where a type names it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from squadron.answers.options import MOST_ANSWER_TOKENS, MOST_ANSWERS, AnswerOptions
from squadron.errors import InputError

MOST_QUESTION_CHARACTERS = 2_000
MOST_CONTEXTS = 100
MOST_CONTEXT_CHARACTERS = 1_000_000
"""Maximum number of characters of all contexts of one question together."""


class FieldError(InputError):
    """A field of a request that can't be used.

    Args:
        field: Where it is, such as "inputs[0].context"; "" for the whole.
        problem: A sentence that begins after the field's name, such as "must be text".
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field or 'The request'} {problem}")
        self.field = field


class _Strict(BaseModel):
    """Takes no other fields, and no null in the place of a field that was left out."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _leave_out_nulls(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # MLflow checks an object again by its dictionary, in which nothing may be null.
        return {name: value for name, value in dump(self).items() if value is not None}


class Question(_Strict):
    """One question, with one text or with several texts to look for the answer in."""

    question: str
    """At most MOST_QUESTION_CHARACTERS."""
    context: str | None = None
    """The text. A model that keeps a text of its own needs none."""
    contexts: list[str] | None = None
    """Several texts, at most MOST_CONTEXTS; the best answer of all of them is given."""

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Self:
        if isinstance(value, Mapping):
            for name in ("context", "contexts"):
                if name in value and value[name] is None:
                    raise _refuse(name, "is null; leave it out or give text")
        found: Self = validate(value)
        _check_text("question", found.question, MOST_QUESTION_CHARACTERS)
        if found.context is not None and found.contexts is not None:
            raise _refuse("contexts", "stands beside `context`; give one of the two")
        if found.context is not None:
            _check_text("context", found.context, MOST_CONTEXT_CHARACTERS)
        if found.contexts is not None:
            _check_contexts(found.contexts)
        return found


class Params(_Strict):
    """How all questions of a request are answered."""

    top_k: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    """The number of different answers, the best one included."""
    threshold: float | None = None
    """Log-odds that the best span must exceed; null or nothing takes the registered threshold."""
    max_answer_tokens: Annotated[int, Field(ge=1, le=MOST_ANSWER_TOKENS)] | None = None
    """The longest answer in tokens; null or nothing is as evaluated."""
    explain: bool = False
    """Whether to say what each window of the contexts gave."""

    def options(self) -> AnswerOptions:
        """Returns the same for a reader."""
        return AnswerOptions(self.top_k, self.threshold, self.max_answer_tokens, self.explain)


class OtherAnswer(BaseModel):
    """Another span, which may be the answer as well."""

    text: str
    start_char: int
    end_char: int
    score: float
    probability: float | None = None
    context: int


class Sentence(BaseModel):
    """The sentence or sentences of a context that hold an answer."""

    text: str
    start_char: int
    end_char: int


class Word(BaseModel):
    """A word to which the model attends (answers/explanation.py)."""

    text: str
    start_char: int
    end_char: int
    weight: float


class Window(BaseModel):
    """What one window of a context gave (answers/explanation.py)."""

    context: int
    start_char: int
    end_char: int
    text: str
    text_start_char: int
    text_end_char: int
    score: float | None = None
    probability: float | None = None
    null_score: float | None = None
    is_best: bool
    attended: list[Word]


class Answer(BaseModel):
    """The answer to one question. Characters count from 0 in the context that gave it."""

    text: str
    """"" without an answer."""
    start_char: int
    """-1 without an answer."""
    end_char: int
    """The character after the answer; -1 without an answer."""
    score: float | None = None
    """Log-odds of the best span against "not answered here"; null if there is no span."""
    probability: float | None = None
    """The probability that the best span is exactly right, 0 to 1; null without a calibration."""
    answered: bool
    no_answer: bool
    """The opposite of `answered`."""
    best_text: str
    """The best span, whether it was given as the answer or not; "" if there is none."""
    context: int
    """The number of the context with the best span, from 0."""
    alternatives: list[OtherAnswer]
    """The next best spans with other texts, best first: at most top_k - 1."""
    reasoning_type: str | None = None
    reasoning_probability: float | None = None
    evidence: Sentence | None = None
    """Null without an answer."""
    windows: list[Window] | None = None
    """Left out unless `explain` is true."""


def _refuse(place: str, problem: str) -> PydanticCustomError:
    """Returns an error about a field; `read` and MLflow turn it into a sentence."""
    return PydanticCustomError(
        "squadron", "{place} {problem}", {"place": place, "problem": problem}
    )


def _check_text(place: str, text: str, most: int) -> None:
    if not text.strip():
        raise _refuse(place, "has no words")
    if len(text) > most:
        raise _refuse(place, f"has {len(text):,} characters; {most:,} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON may hold half of a pair such as "\\ud800", which no tokenizer reads.
        raise _refuse(place, "has a character that is no valid Unicode") from None


def _check_contexts(contexts: list[str]) -> None:
    if not contexts:
        raise _refuse("contexts", "is empty; give at least one text")
    if len(contexts) > MOST_CONTEXTS:
        raise _refuse("contexts", f"has {len(contexts)} texts; {MOST_CONTEXTS} are allowed")
    for number, text in enumerate(contexts):
        _check_text(f"contexts[{number}]", text, MOST_CONTEXT_CHARACTERS)
    total = sum(map(len, contexts))
    if total > MOST_CONTEXT_CHARACTERS:
        most = f"{MOST_CONTEXT_CHARACTERS:,} are allowed"
        raise _refuse("contexts", f"has {total:,} characters in all; {most}")


Shape = TypeVar("Shape", bound=BaseModel)


def read(shape: type[Shape], value: object, place: str = "") -> Shape:
    """Returns a JSON value as one of the types above.

    Args:
        shape: The type, such as `Question`.
        value: The value.
        place: Where it is in the request, such as "inputs[0]"; "" for the whole.

    Raises:
        FieldError: With the first field that can't be used, and why.
    """
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=True)[0]
    names = list(first["loc"])
    context = first.get("ctx", {})
    if first["type"] == "squadron":
        problem = str(context["problem"])
        names.append(str(context["place"]))
    else:
        problem = _describe(first["type"], context, first["input"], shape)
    raise FieldError(_join(place, names), problem)


def _join(place: str, names: list[int | str]) -> str:
    """Returns the place of a field, such as "inputs[0].contexts[2]"."""
    for name in names:
        if isinstance(name, int):
            place += f"[{name}]"
        else:
            place += f".{name}" if place else name
    return place


_NEEDED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of usual size",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "missing": "is missing",
}
"""Type of an error of pydantic -> what is needed."""


def _describe(
    kind: str, context: Mapping[str, object], value: object, shape: type[BaseModel]
) -> str:
    """Returns what is wrong with a value, in words that follow the name of its field."""
    if kind == "greater_than_equal":
        return f"is {value}; it must be at least {context['ge']}"
    if kind == "less_than_equal":
        return f"is {value}; it must be at most {context['le']}"
    if kind == "extra_forbidden":
        return f"is no known field; use {', '.join(shape.model_fields)}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"must be an object, and it is {name_type(value)}"
    needed = _NEEDED.get(kind, "can't be used")
    return f"{needed}, and it is {name_type(value)}" if kind.endswith("_type") else needed


def name_type(value: object) -> str:
    """Returns what JSON calls a value, such as "a number"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")
