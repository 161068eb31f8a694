"""Questions and contexts -> answers with a trained model: the one path of `ask` and serving.

Evaluation calls the same windows, prediction and answers code on windows cut beforehand; a test
holds that both give the same answers.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from squadron.answers import ranking
from squadron.answers.answering import Answering
from squadron.artifacts import EXAMPLES
from squadron.config import Contender
from squadron.data.layout import read_layout
from squadron.data.windows import slide_windows
from squadron.models import backbones, model_folder
from squadron.models.devices import pick_device
from squadron.models.prediction import predict_candidates
from squadron.progress import Progress


@dataclass(frozen=True)
class Reading:
    """The answer to one question. `context[start_char:end_char] == text` unless it abstains."""

    text: str
    """ "" where the context does not answer the question."""
    start_char: int
    """-1 where it abstains; so is end_char."""
    end_char: int
    score: float
    """Log-odds of the best span against "not answered here"; -inf where there is no span."""
    answered: bool
    probability: float | None = None
    """That the best span is exactly right, answered or not, 0 to 1; it compares across contexts.
    None from a model that was registered without a calibration, or not at all."""


class Reader:
    """A trained model, ready to answer.

    Args:
        model: A variant's model, on the device of `pick_device`.
        tokenizer: As transformers gives it.
        contender: With the windows and predict settings that the model was evaluated with.
        answering: As the evaluation found; None, of a model that isn't registered, answers every
            question.
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
            answering: How it answers, for a model that isn't registered; a registered one answers
                as it was registered.

        Raises:
            InputError: If the folder is not a whole model folder.
        """
        loaded = model_folder.load_model(folder)
        return cls(
            loaded.model,
            loaded.tokenizer,
            loaded.contender,
            loaded.answering or answering,
        )

    def find_candidates(self, examples: pa.Table, title: str = "") -> Iterator[pa.Table]:
        """The candidates of all questions, of schema `artifacts.CANDIDATES`, table by table.

        Args:
            examples: Of schema `artifacts.EXAMPLES`.
            title: Shows the progress under it, if given.
        """
        windows, _ = slide_windows(examples, self._tokenizer, self._layout, self._contender.windows)
        settings = self._contender.predict
        with Progress(title, windows.num_rows, "windows") if title else nullcontext() as bar:
            yield from predict_candidates(
                self._model, windows, self._layout, settings, pick_device(), bar
            )

    def read(self, questions: Sequence[tuple[str, str]]) -> list[Reading]:
        """Answers (question, context) pairs, in their order."""
        ids = [str(number) for number in range(len(questions))]
        contexts = [context for _, context in questions]
        rows = [
            {"id": i, "title": "", "question": q, "context": c, "answers": [], "reasoning_type": ""}
            for i, (q, c) in zip(ids, questions, strict=True)
        ]
        tables = self.find_candidates(pa.Table.from_pylist(rows, schema=EXAMPLES))
        ranked = ranking.rank_parts(tables, ids, self.answering.answer_rule)
        best = ranked.best_score()
        texts = ranking.best_texts(ranked, contexts)
        chosen = ranking.apply_threshold(texts, best, self.answering.null_threshold)
        mapping = self.answering.calibration
        sure = mapping.apply(best).tolist() if mapping else [None] * len(ids)
        readings = []
        for number, text in enumerate(chosen):
            first, score = ranked.edges[number], float(best[number])
            span = (
                (int(ranked.start_char[first]), int(ranked.end_char[first])) if text else (-1, -1)
            )
            readings.append(Reading(text, *span, score, bool(text), sure[number]))
        return readings


def as_dicts(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """For JSON: -inf, which JSON does not know, becomes null."""
    rows = [dataclasses.asdict(reading) for reading in readings]
    for row in rows:
        if row["score"] == float("-inf"):
            row["score"] = None
    return rows
