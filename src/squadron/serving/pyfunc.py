"""The MLflow pyfunc of a registered model; MLflow stores and runs this file ("models from code").

The input is a list of `wire.Question`, the params are `wire.Params`, the output is a list of
`wire.Answer` as JSON objects. A model is stored as safetensors and JSON, and nothing is pickled.
"""

from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from squadron.errors import InputError
from squadron.serving.wire import Answer, Params, Question, read


class AnsweringModel(PythonModel):
    """Answers questions with the model folder that was logged with this file."""

    def load_context(self, context: Any) -> None:
        """Loads the model; MLflow calls this once."""
        from squadron.models import model_folder
        from squadron.reader import Reader

        folder = Path(context.artifacts["model"])
        self._reader = Reader.load(folder)
        self._own_context = model_folder.read_context(folder)

    def predict(  # type: ignore[override]
        self, model_input: list[Question], params: dict[str, Any] | None = None
    ) -> list[Answer]:
        """Returns the answers in the order of the questions.

        Raises:
            MlflowException: If a question or a param can't be used; a server answers 400.
        """
        from squadron.serving.answer_rows import answer, ask

        try:
            options = read(Params, params or {}, "params").options()
            asked = [
                ask(question, options, self._own_context, f"inputs[{number}]")
                for number, question in enumerate(model_input)
            ]
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        # MLflow reads the signature of the output from the type, but writes objects to JSON.
        return answer(self._reader, asked)  # type: ignore[return-value]


set_model(AnsweringModel())
