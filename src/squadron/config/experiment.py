"""A whole experiment: all sections together, with every default filled in."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated

from squadron.config.contenders import Contender
from squadron.config.data import Data
from squadron.config.documents import Documents
from squadron.config.evaluation import Evaluate
from squadron.config.limits import Limit, check_limits, matches, require
from squadron.config.registration import Register
from squadron.config.resources import Resources
from squadron.config.serving import Serving

SHARED = ("backbone", "trained_on", "windows", "train", "predict")
"""Settings of a contender that may also stand at the top of a file, for all contenders."""

_NAME = matches("[A-Za-z0-9_-]+", "letters, digits, '-' and '_' only")


@dataclass(frozen=True)
class Experiment:
    """Everything a race needs, with every default filled in."""

    name: Annotated[str, _NAME]
    """The experiment's name; the name of its file without `.yaml` if the file gives none."""
    data: Data
    """Where the examples come from and how they are split."""
    contenders: Annotated[tuple[Contender, ...], Limit("name at least one", bool)]
    """The models that race: a list of variants' names, or of mappings as below."""
    evaluate: Evaluate = field(default_factory=Evaluate)
    """What is measured."""
    documents: Documents = field(default_factory=Documents)
    """Texts in which the questions are asked as well; none by default."""
    register: Register = field(default_factory=Register)
    """What the winner must show and where it goes."""
    serving: Serving = field(default_factory=Serving)
    """In which format the winner is registered."""
    resources: Resources = field(default_factory=Resources)
    """What the steps ask of a cluster."""
    results: str = ""
    """A folder or an `s3://` prefix that also gets each contender's model, answers and metrics;
    empty for none. MLflow and the outputs of the pipeline have them in any case."""
    attempt: str = ""
    """Any text. A new value makes an equal experiment a new race; otherwise the old race is
    continued."""

    def __post_init__(self) -> None:
        check_limits(self)
        self._check_labels()
        self._check_declared_titles()
        if not self.register.model_name:
            register = dataclasses.replace(self.register, model_name=f"squadron-{self.name}")
            object.__setattr__(self, "register", register)

    def _check_labels(self) -> None:
        labels = [contender.label for contender in self.contenders]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        require(not twice, "contenders", twice, "give each contender its own label")

    def _check_declared_titles(self) -> None:
        """Refuses titles in `trained_on` if data are split by question."""
        for number, contender in enumerate(self.contenders, start=1):
            titles = list(contender.trained_on.titles)
            require(
                self.data.split_by == "title" or not titles,
                f"contenders -> {number} -> trained_on -> titles",
                titles,
                "with `data.split_by: question`, give `files`: titles do not tell which questions "
                "were seen",
            )
