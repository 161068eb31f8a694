"""The list of the steps of a race, in the order in which they run, and what sets each one apart.

The launcher, the command line and the code that all steps share read it, so that none of them keeps
a list of its own. pipeline.py says which step reads what another one wrote.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepEntry:
    """One step and what sets it apart."""

    name: str
    """The name of the step, of its file, of its function and of its component."""
    is_per_contender: bool = False
    """Whether the step runs once for each contender."""
    loads_models: bool = False
    """Whether the step loads a backbone, its tokenizer or a model, and so torch or transformers."""
    is_before_race: bool = False
    """Whether the step runs before MLflow knows the race. Such a step tells MLflow nothing."""
    needs_documents: bool = False
    """Whether only a race with documents has the step."""
    is_in_every_try: bool = False
    """Whether the step runs in every try. Any other step may come from the cache."""


STEPS = (
    StepEntry("ingest", is_before_race=True),
    StepEntry("admit", is_before_race=True, loads_models=True),
    StepEntry("open_race", is_in_every_try=True),
    StepEntry("passages", needs_documents=True),
    StepEntry("index", loads_models=True, needs_documents=True),
    StepEntry("featurize", is_per_contender=True, loads_models=True),
    StepEntry("train", is_per_contender=True, loads_models=True),
    StepEntry("predict", is_per_contender=True, loads_models=True),
    StepEntry("evaluate", is_per_contender=True),
    StepEntry("answer", is_per_contender=True, loads_models=True, needs_documents=True),
    StepEntry("register", loads_models=True),
    StepEntry("report"),
    StepEntry("close_race", is_in_every_try=True),
)
