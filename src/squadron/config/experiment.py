"""A whole experiment."""

import dataclasses
from dataclasses import dataclass, field

from squadron.config.checks import require
from squadron.config.contenders import Contender
from squadron.config.data import Data
from squadron.config.evaluation import Evaluate
from squadron.config.registration import Register
from squadron.config.resources import Resources


@dataclass(frozen=True)
class Experiment:
    """Everything a race needs, with every default filled in."""

    name: str
    data: Data
    contenders: tuple[Contender, ...]
    evaluate: Evaluate = field(default_factory=Evaluate)
    register: Register = field(default_factory=Register)
    resources: Resources = field(default_factory=Resources)
    results: str = ""
    """A folder or s3:// prefix that gets each contender's model, answers and metrics; none if empty
    (they are in MLflow and in the pipeline's own outputs all the same)."""
    attempt: str = ""
    """Anything; a new value makes an equal experiment a new race instead of a continued one."""

    def __post_init__(self) -> None:
        ok = self.name.isascii() and all(c.isalnum() or c in "-_" for c in self.name) and self.name
        require(bool(ok), "name", self.name, "letters, digits, '-' and '_' only")
        require(bool(self.contenders), "contenders", [], "name at least one")
        labels = [contender.label for contender in self.contenders]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        require(not twice, "contenders", twice, "give each contender its own label")
        for number, contender in enumerate(self.contenders, start=1):
            titles = list(contender.trained_on.titles)
            require(
                self.data.split_by == "title" or not titles,
                f"contenders -> {number} -> trained_on -> titles",
                titles,
                "with data -> split_by: question only `files` tell which questions were seen",
            )
        if not self.register.model_name:
            register = dataclasses.replace(self.register, model_name=f"squadron-{self.name}")
            object.__setattr__(self, "register", register)
