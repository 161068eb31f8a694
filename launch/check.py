"""`pipeline.py check`: checks the settings and the data of an experiment, without a race.

The steps ingest and admit do the checking, so that a check finds exactly what a race would find.
They tell MLflow nothing, and they write into a temporary folder.
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
    """Prints what ingest and admit find, and which contenders would race.

    Args:
        experiment: The experiment as it was loaded.

    Returns:
        The exit code: 0, or 2 for bad input, after one sentence on stderr.

    Raises:
        InputError: If a setting is wrong, or a file or a backbone can't be read.
    """
    from squadron import steps

    check_experiment(experiment)
    # A store that does not exist is not asked for a version, because asking would create it.
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
