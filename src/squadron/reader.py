"""Answers questions about contexts with a trained model, for `squadron ask` and for serving.

Evaluation uses the same code for windows, prediction and answers, on windows that were cut before.
A test checks that both give the same answers.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from squadron.answers import explanation, ranking
from squadron.answers.alternatives import Alternative, find_alternatives
from squadron.answers.answering import Answering
from squadron.answers.explanation import AttendedWord, WindowReading
from squadron.answers.merging import find_by_hash
from squadron.answers.options import AS_EVALUATED, AnswerOptions
from squadron.answers.type_choice import merge_types
from squadron.artifacts import EXAMPLES
from squadron.config import Contender, Predict
from squadron.data.layout import read_layout
from squadron.data.question_types import TYPES, explain_type
from squadron.data.window_table import WindowTable
from squadron.data.windows import slide_windows
from squadron.models import backbones, model_folder, starter, variants
from squadron.models.attention import Attending, find_attended_words
from squadron.models.devices import pick_device
from squadron.models.prediction import make_ready, predict_candidates
from squadron.progress import Progress


@dataclass(frozen=True)
class Reading:
    """The answer to one question. `context[start_char:end_char] == text` unless it abstains."""

    text: str
    """The answer; "" if the context does not answer the question."""
    start_char: int
    """The first character of the answer; -1 without an answer."""
    end_char: int
    """The character after the answer; -1 without an answer."""
    score: float
    """Log-odds of the best span against "not answered here"; -inf if there is no span."""
    answered: bool
    """False if the model abstains."""
    probability: float | None = None
    """The probability that the best span is exactly right, whether it was given as the answer or
    not, 0 to 1. It can be compared across contexts. None if the model is not registered, or was
    registered without a calibration."""
    best_text: str = ""
    """The text of the best span, whether it was given as the answer or not; "" if there is none."""
    reasoning_type: str | None = None
    """The type of reasoning that the model thinks the question needs, one of question_types.TYPES.
    None if the model does not tell types."""
    reasoning_probability: float | None = None
    """The model's probability of that type, 0 to 1; it is not calibrated."""
    windows: tuple[WindowReading, ...] | None = None
    """What each window of the context gave; None unless an explanation was asked for."""
    alternatives: tuple[Alternative, ...] = ()
    """The next best spans with other texts, best first: at most `top_k` - 1."""
    best_start_char: int = -1
    """The first character of the best span, whether it was given as the answer or not; -1 if there
    is none."""
    best_end_char: int = -1
    """The character after the best span; -1 if there is none."""


@dataclass(frozen=True)
class Kind:
    """The kind of reasoning that a question needs, and who says so."""

    reasoning_type: str
    """One of question_types.TYPES: what the model says if it tells types, else what rules say."""
    source: str
    """"model" or "rules"."""
    probability: float | None
    """The model's probability of the type, 0 to 1; None if rules say it."""
    rules_type: str
    """What the rules say, whether they decide or not."""
    cue: str
    """The words of the question by which the rules decided; "" if there are none, which means
    factual."""


def find_kind(question: str, reading: Reading | None) -> Kind:
    """Returns the kind of reasoning that a question needs.

    Args:
        question: The question.
        reading: Its reading. None, or a reading by a model that tells no types, leaves it to rules.
    """
    rules_type, cue = explain_type(question)
    if reading is None or reading.reasoning_type is None:
        return Kind(rules_type, "rules", None, rules_type, cue)
    return Kind(reading.reasoning_type, "model", reading.reasoning_probability, rules_type, cue)


class Reader:
    """A trained model, ready to answer.

    Args:
        model: A variant's model, on any device.
        tokenizer: The model's tokenizer from transformers.
        contender: The contender with which the model was evaluated: its settings for windows and
            prediction apply.
        answering: The threshold and the rule that the evaluation found. None, for a model that is
            not registered, answers every question.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        contender: Contender,
        answering: Answering | None,
    ) -> None:
        self._model = make_ready(model, pick_device())
        self._tokenizer = backbones.bare_tokenizer(tokenizer)
        self._layout = read_layout(self._tokenizer, tokenizer.pad_token_id)
        self._contender = contender
        self.answering = answering or Answering()

    @classmethod
    def load(cls, folder: Path, answering: Answering | None = None) -> "Reader":
        """Reads a model folder.

        Args:
            folder: The model folder.
            answering: How the model answers if it is not registered. A registered model answers as
                it was registered.

        Raises:
            InputError: If the folder is not a complete model folder.
        """
        loaded = model_folder.load_model(folder)
        return cls(
            loaded.model,
            loaded.tokenizer,
            loaded.contender,
            loaded.answering or answering,
        )

    @classmethod
    def load_starter(cls) -> "Reader":
        """Loads the starter reader, which is part of the package (models/starter.py).

        Raises:
            InputError: If its files or its backbone are missing.
        """
        contender = Contender("pretrained", backbone=starter.NAME)
        variant = variants.load_variant(contender.variant)
        model = variant.build(contender.backbone, variants.read_options(contender))
        tokenizer = backbones.load_tokenizer(contender.backbone)
        return cls(model, tokenizer, contender, model_folder.read_answering(starter.FOLDER))

    def find_candidates(self, examples: pa.Table, title: str = "") -> Iterator[pa.Table]:
        """Finds the candidates of all questions.

        Args:
            examples: A table of schema `artifacts.EXAMPLES`.
            title: The title of the progress line; "" shows no progress.

        Yields:
            Tables of schema `artifacts.CANDIDATES`.
        """
        windows = self._slide(examples)
        with Progress(title, windows.num_rows, "windows") if title else nullcontext() as bar:
            yield from self._predict(windows, self._contender.predict, bar)

    def count_windows(self, examples: pa.Table) -> int:
        """Returns how many windows the contexts of some questions are cut into.

        Args:
            examples: A table of schema `artifacts.EXAMPLES`.
        """
        return int(self._slide(examples).num_rows)

    def read(
        self,
        questions: Sequence[tuple[str, str]],
        options: AnswerOptions | Sequence[AnswerOptions] = AS_EVALUATED,
    ) -> list[Reading]:
        """Answers pairs of (question, context); the answers are in the same order.

        Args:
            questions: The pairs.
            options: How to answer: for all questions the same, or one for each question. Questions
                with another longest answer, and those to be explained, are read by themselves.
        """
        if isinstance(options, AnswerOptions):
            options = [options] * len(questions)
        usual = self._contender.predict.max_answer_tokens
        groups: dict[tuple[int, bool], list[int]] = {}
        for number, (_, chosen) in enumerate(zip(questions, options, strict=True)):
            group = chosen.max_answer_tokens or usual, chosen.explain
            groups.setdefault(group, []).append(number)
        found: dict[int, Reading] = {}
        for (longest, explain), numbers in groups.items():
            readings = self._read_alike(
                [questions[number] for number in numbers],
                [options[number] for number in numbers],
                longest,
                explain=explain,
            )
            found |= zip(numbers, readings, strict=True)
        return [found[number] for number in range(len(questions))]

    def _read_alike(
        self,
        questions: Sequence[tuple[str, str]],
        options: Sequence[AnswerOptions],
        max_answer_tokens: int,
        *,
        explain: bool,
    ) -> Iterator[Reading]:
        """Yields the answers to questions of which all or none are explained."""
        ids = [str(number) for number in range(len(questions))]
        contexts = [context for _, context in questions]
        windows = self._slide(_make_examples(ids, questions))
        rule, mapping = self.answering.answer_rule, self.answering.calibration
        settings = dataclasses.replace(self._contender.predict, max_answer_tokens=max_answer_tokens)
        window_types: list[pa.Table] = []
        tables: Iterable[pa.Table] = self._predict(windows, settings, on_types=window_types.append)
        explained: Sequence[tuple[WindowReading, ...] | None] = [None] * len(ids)
        if explain:
            tables = list(tables)
            attended = self._find_attended(windows, contexts)
            explained = explanation.explain_windows(
                windows.extents(), tables, contexts, ids, rule, mapping, attended
            )
        # Without an explanation, one table is in memory at a time.
        ranked = ranking.rank_parts(tables, ids, rule)
        types = _choose_types(window_types, ids)
        best = ranked.best_score()
        spans = ranked.best_span().tolist()
        sure = mapping.apply(best).tolist() if mapping else [None] * len(ids)
        for number, (context, chosen) in enumerate(zip(contexts, options, strict=True)):
            start, end = spans[number]
            best_text = context[start:end] if start >= 0 else ""
            threshold = chosen.threshold
            if threshold is None:
                threshold = self.answering.null_threshold
            score = float(best[number])
            answered = bool(best_text) and (threshold is None or score > threshold)
            reasoning_type, share = types[number]
            yield Reading(
                best_text if answered else "",
                start if answered else -1,
                end if answered else -1,
                score,
                answered,
                sure[number],
                best_text,
                reasoning_type,
                share,
                explained[number],
                find_alternatives(ranked, number, context, chosen.top_k - 1, mapping),
                start,
                end,
            )

    def _slide(self, examples: pa.Table) -> WindowTable:
        """Returns the windows of all questions."""
        settings = self._contender.windows
        return slide_windows(examples, self._tokenizer, self._layout, settings)[0]

    def _find_attended(
        self, windows: WindowTable, contexts: Sequence[str]
    ) -> Sequence[tuple[AttendedWord, ...]]:
        """Returns the words that the model attends to in each window; empty if it can't say."""
        if not isinstance(self._model, Attending):
            return ()
        settings = self._contender.predict
        return find_attended_words(
            self._model, windows, contexts, self._layout, settings, pick_device()
        )

    def _predict(
        self,
        windows: WindowTable,
        settings: Predict,
        bar: Progress | None = None,
        on_types: Callable[[pa.Table], None] = lambda types: None,
    ) -> Iterator[pa.Table]:
        """Yields the candidates of windows, in tables of schema `artifacts.CANDIDATES`."""
        yield from predict_candidates(
            self._model, windows, self._layout, settings, pick_device(), bar, on_types
        )


def _make_examples(ids: Sequence[str], questions: Sequence[tuple[str, str]]) -> pa.Table:
    """Returns pairs of (question, context) as a table of schema `artifacts.EXAMPLES`."""
    rows = [
        {"id": i, "title": "", "question": q, "context": c, "answers": [], "reasoning_type": ""}
        for i, (q, c) in zip(ids, questions, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def _choose_types(
    windows: Sequence[pa.Table], ids: Sequence[str]
) -> list[tuple[str, float] | tuple[None, None]]:
    """Returns each question's type of reasoning with its probability, as the model tells them.

    Args:
        windows: Tables of schema `artifacts.WINDOW_TYPES`; none if the model tells no types.
        ids: The ids of the questions.
    """
    if not windows:
        return [(None, None)] * len(ids)
    shares_EC = merge_types(windows, find_by_hash(ids), len(ids))
    return [(TYPES[int(row.argmax())], float(row.max())) for row in shares_EC]


def as_dicts(readings: Sequence[Reading]) -> list[dict[str, object]]:
    """Returns readings as JSON values. A score of -inf, which JSON does not have, becomes None.

    Readings without an explanation have no `windows`. Alternatives and the place of the best span
    are left out.
    """
    rows: list[dict[str, object]] = []
    for reading in readings:
        row: dict[str, object] = {name: getattr(reading, name) for name in _SHOWN}
        row["score"] = reading.score if math.isfinite(reading.score) else None
        if reading.windows is not None:
            row["windows"] = explanation.as_rows(reading.windows)
        rows.append(row)
    return rows


_SHOWN = (
    "text",
    "start_char",
    "end_char",
    "score",
    "answered",
    "probability",
    "best_text",
    "reasoning_type",
    "reasoning_probability",
)
