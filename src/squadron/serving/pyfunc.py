"""The MLflow pyfunc of a registered model ("models from code"): this file is what gets logged.

Input: a list of {"question", "context"}; output: a list of {"text", "start_char", "end_char",
"score", "answered", "probability"}. Safetensors and JSON only; nothing is pickled.
"""

from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from pydantic import BaseModel


class Question(BaseModel):
    """One question about one text."""

    question: str
    context: str


class AnsweringModel(PythonModel):
    """Answers questions with the model folder that lies beside it."""

    def load_context(self, context: Any) -> None:
        """Reads the model once."""
        from squadron.reader import Reader

        self._reader = Reader.load(Path(context.artifacts["model"]))

    def predict(self, model_input: list[Question]) -> list[dict[str, Any]]:  # type: ignore[override]
        """Answers every question, in order."""
        from squadron.reader import as_dicts

        return as_dicts(self._reader.read([(q.question, q.context) for q in model_input]))


set_model(AnsweringModel())
