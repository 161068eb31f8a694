"""`pipeline.py check`: the settings and the data of an experiment, without a run.

The steps ingest and admit do the checking, so that nothing is checked twice in different ways. They
tell MLflow nothing, and what they write goes to a temporary folder.
"""

import io
import os
import sys
import tempfile
from pathlib import Path

from launch.console import Console
from launch.plan import check_experiment, plan_race
from launch.registered import resolve_models
from squadron import tracking
from squadron.config import Experiment
from squadron.errors import EXIT_CODE_INPUT_ERROR
from squadron.progress import EVENTS_VARIABLE


def check_here(experiment: Experiment) -> int:
    """Says what ingest and admit find, and who would race.

    Args:
        experiment: Loaded.

    Returns:
        The exit code: 0, or 2 for bad input (one sentence was shown).

    Raises:
        InputError: If the settings, a file or a backbone can't be right.
    """
    from squadron import steps

    check_experiment(experiment)
    # Asking a store that is not there for a version would create it.
    experiment = resolve_models(experiment, is_local=tracking.has_store())
    arguments = plan_race(experiment).arguments
    console = Console(io.StringIO(), sys.stdout)
    with tempfile.TemporaryDirectory(prefix="squadron-") as temporary:
        examples = Path(temporary) / "examples"
        os.environ[EVENTS_VARIABLE] = "1"
        try:
            with console.capture():
                steps.ingest(
                    data=arguments["data"], examples=examples, digests=arguments["ingest_digests"]
                )
                steps.admit(
                    contenders=arguments["entries"],
                    examples=examples,
                    digests=arguments["admit_digests"],
                )
        except SystemExit:
            if console.failure is None:
                raise
            step, text, _ = console.failure
            print(f"{step}: {text}", file=sys.stderr)
            return EXIT_CODE_INPUT_ERROR
        finally:
            os.environ.pop(EVENTS_VARIABLE, None)
            console.close()
    labels = [contender.label for contender in experiment.contenders]
    count = f"{len(labels)} contender{'s' * (len(labels) != 1)}"
    print(f"admit      {count} may race: {', '.join(labels)}")
    print("Nothing was found that would stop a race. Nothing was trained or stored.")
    return 0
