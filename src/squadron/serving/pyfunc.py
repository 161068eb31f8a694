"""The MLflow pyfunc of a registered model; MLflow stores and runs this file ("models from code").

The input is a list of {"question", "context"}. The output is a list of {"text", "start_char",
"end_char", "score", "answered", "probability", "best_text", "reasoning_type",
"reasoning_probability"}; the last two are None from a model that tells no types. A model is stored
as safetensors and JSON, and nothing is pickled.
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
    """Answers questions with the model folder that was logged with this file."""

    def load_context(self, context: Any) -> None:
        """Loads the model; MLflow calls this once."""
        from squadron.reader import Reader

        self._reader = Reader.load(Path(context.artifacts["model"]))

    def predict(self, model_input: list[Question]) -> list[dict[str, Any]]:  # type: ignore[override]
        """Returns the answers in the order of the questions."""
        from squadron.reader import as_dicts

        return as_dicts(self._reader.read([(q.question, q.context) for q in model_input]))


set_model(AnsweringModel())
