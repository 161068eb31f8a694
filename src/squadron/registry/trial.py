"""Tries a model in a process of its own before it is registered."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from squadron.answers.answering import Answering
from squadron.errors import InputError
from squadron.registry import lone_process
from squadron.registry.logged_model import CONTEXT, QUESTION, check_answer, save_model

SECONDS = 600
"""The longest time that a trial may take."""
MOST_CHARACTERS = 300
"""Maximum length of the error of a process that is shown."""
_OURS = ("PYTHON", "SQUADRON_", "VIRTUAL_ENV")


def try_alone(model: Path, answering: Answering) -> str:
    """Returns why a model does not answer where only its own requirements are; "" if it does.

    The model is written as it would be registered. A new process hides every installed package that
    the model's requirements do not need, loads the model with the copy of this package that the
    model brings, and asks it a question.

    Args:
        model: A model folder.
        answering: How the model answers.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "saved"
        save_model(place, model, answering)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
        arguments = [str(Path(lone_process.__file__)), str(place), QUESTION, CONTEXT]
        try:
            done = subprocess.run(
                [sys.executable, "-I", *arguments],
                cwd=temporary,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not answer in {SECONDS} seconds"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return f"its process ended with: {lines[-1][:MOST_CHARACTERS]}"
    try:
        check_answer(json.loads(done.stdout.splitlines()[-1]), "in a trial")
    except (InputError, ValueError, LookupError) as error:
        return str(error)[:MOST_CHARACTERS]
    return ""
