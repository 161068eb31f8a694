"""Answers questions about contexts with a trained model, for `squadron ask` and for serving.

Evaluation uses the same code for windows, prediction and answers, on windows that were cut before.
A test checks that both give the same answers.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from squadron.answers import explanation, ranking
from squadron.answers.answering import Answering
from squadron.answers.explanation import WindowReading
from squadron.artifacts import EXAMPLES
from squadron.config import Contender
from squadron.data.layout import read_layout
from squadron.data.window_table import WindowTable
from squadron.data.windows import slide_windows
from squadron.models import backbones, model_folder, starter, variants
from squadron.models.devices import pick_device
from squadron.models.prediction import predict_candidates
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
    windows: tuple[WindowReading, ...] | None = None
    """What each window of the context gave; None unless an explanation was asked for."""


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
        self._model = model.to(pick_device())
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
            yield from self._predict(windows, bar)

    def read(self, questions: Sequence[tuple[str, str]], *, explain: bool = False) -> list[Reading]:
        """Answers pairs of (question, context); the answers are in the same order.

        Args:
            questions: The pairs.
            explain: Whether each reading also says what each window of its context gave.
        """
        ids = [str(number) for number in range(len(questions))]
        contexts = [context for _, context in questions]
        rows = [
            {"id": i, "title": "", "question": q, "context": c, "answers": [], "reasoning_type": ""}
            for i, (q, c) in zip(ids, questions, strict=True)
        ]
        windows = self._slide(pa.Table.from_pylist(rows, schema=EXAMPLES))
        rule, mapping = self.answering.answer_rule, self.answering.calibration
        tables = list(self._predict(windows))
        explained: Sequence[tuple[WindowReading, ...] | None] = [None] * len(ids)
        if explain:
            explained = explanation.explain_windows(
                windows.extents(), tables, contexts, ids, rule, mapping
            )
        ranked = ranking.rank_parts(tables, ids, rule)
        best = ranked.best_score()
        texts = ranking.best_texts(ranked, contexts)
        chosen = ranking.apply_threshold(texts, best, self.answering.null_threshold)
        sure = mapping.apply(best).tolist() if mapping else [None] * len(ids)
        readings = []
        for number, (text, best_text) in enumerate(zip(chosen, texts, strict=True)):
            first, score = ranked.edges[number], float(best[number])
            span = (
                (int(ranked.start_char[first]), int(ranked.end_char[first])) if text else (-1, -1)
            )
            readings.append(
                Reading(text, *span, score, bool(text), sure[number], best_text, explained[number])
            )
        return readings

    def _slide(self, examples: pa.Table) -> WindowTable:
        """Returns the windows of all questions."""
        settings = self._contender.windows
        return slide_windows(examples, self._tokenizer, self._layout, settings)[0]

    def _predict(self, windows: WindowTable, bar: Progress | None = None) -> Iterator[pa.Table]:
        """Yields the candidates of windows, in tables of schema `artifacts.CANDIDATES`."""
        settings = self._contender.predict
        yield from predict_candidates(
            self._model, windows, self._layout, settings, pick_device(), bar
        )


def as_dicts(readings: Sequence[Reading]) -> list[dict[str, object]]:
    """Returns readings as JSON values. A score of -inf, which JSON does not have, becomes None.

    Readings without an explanation have no `windows`.
    """
    rows = [dataclasses.asdict(dataclasses.replace(each, windows=None)) for each in readings]
    for row, reading in zip(rows, readings, strict=True):
        if row["score"] == float("-inf"):
            row["score"] = None
        if reading.windows is None:
            del row["windows"]
        else:
            row["windows"] = explanation.as_rows(reading.windows)
    return rows
