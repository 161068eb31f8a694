"""The content of race_result.json: who raced and won, how sure that is, what was registered."""

from dataclasses import dataclass, field
from typing import ClassVar

from squadron.config import TORCH
from squadron.data.contamination import Shared
from squadron.models.model_names import CHAMPION_ALIASES
from squadron.scores.figures import SplitFigures
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.leads import Lead
from squadron.scores.open_domain import OpenDomain
from squadron.scores.served_format import ServedFormat


@dataclass(frozen=True)
class Standing:
    """One contender of a race."""

    label: str
    registered_as: str = ""
    """The version that races, such as "version 3", for a champion; "" for others."""
    group: str = ""
    """The label of contenders that differ in their seed alone; "" for others."""
    disqualified: str = ""
    """Why it is disqualified; "" if it is not."""
    trained_on: str = "unknown"
    """`trained_on.Record.standing`."""
    shared_with_train: dict[str, Shared] = field(default_factory=dict)
    """Judged split -> what it shares with train; the same for all contenders."""
    select: SplitFigures | None = None
    """None for the disqualified."""
    test: SplitFigures | None = None
    """None for the disqualified, and where test was trained on."""
    train: SplitFigures | None = None
    """On some questions of train; None unless the experiment asks for it."""
    open_domain: OpenDomain | None = None
    """With the passage to be found first; None if the race has no documents."""
    seconds: float | None = None
    """Time of the training; None without one."""
    examples_per_second: float | None = None
    trainable_parameters: float | None = None
    gpu_memory_mb: float | None = None
    """The most memory of a GPU that the training took; None without a GPU."""

    @property
    def name(self) -> str:
        """What people read: the label; a champion's name also has its version."""
        return f"{self.label} ({self.registered_as})" if self.registered_as else self.label


@dataclass(frozen=True)
class SelectSplit:
    """The questions that chose the winner."""

    digest: str
    questions: int
    paragraphs: int
    titles: int
    least_paragraphs: int
    """With fewer paragraphs, contenders are not compared (`significance.LEAST_CLUSTERS`)."""
    chosen_before: int | None
    """How many other races have chosen by the same split; None if that is not known."""


@dataclass(frozen=True)
class RacePromotion:
    """What became of the promotion that the experiment asks for (`register.promote_to`)."""

    alias: str
    moved: bool
    """Whether the race pointed the alias at the version."""
    previous: str = ""
    """The version that the alias pointed at before; "" for none, and if it was not moved."""
    why: str = ""
    """Why it was not moved, without a capital letter and a full stop; "" if it was."""


@dataclass(frozen=True)
class WinnerVersion:
    """The version that the winner is in the registry."""

    name: str
    version: str
    alias: str
    """The alias that the race gave it."""
    validation_status: str
    """"passed" or "demo"."""
    kept: bool = False
    """Whether the winner is a champion, whose version stays."""
    previous: str = ""
    """The version that had the alias before; "" if there was none or it is the same."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Alias of the model -> version."""
    promotion: RacePromotion | None = None
    """None if the experiment asks for none, or the version had the alias already."""

    @property
    def is_staging(self) -> bool:
        """Whether the alias `staging` points at this version."""
        return self.aliases.get("staging") == self.version

    @property
    def is_default(self) -> bool:
        """Whether `squadron ask` asks this version if nobody names one."""
        held = [self.aliases[alias] for alias in CHAMPION_ALIASES if alias in self.aliases]
        return not held or held[0] == self.version


@dataclass(frozen=True)
class RaceResult:
    """The result of a race."""

    SCHEMA: ClassVar[str] = "race_result/1"

    made_from: str
    race: str
    """Name and key."""
    contenders: tuple[Standing, ...]
    """The best first and the disqualified last."""
    winner: str = ""
    """Its label; "" if every contender was disqualified."""
    why: str = ""
    """What it won by, such as "highest EM on select, 61.23"."""
    tie: str = ""
    """How a tie was decided, in a sentence; "" without a tie."""
    comparisons: tuple[Lead, ...] = ()
    """The winner's lead over each of the others, in the order of the race."""
    select_split: SelectSplit | None = None
    gate: str = ""
    """"passed", or why the winner would be refused outside a demo, from all failed gates; "" if it
    was refused."""
    refused: str = ""
    """Why nothing was registered; "" if a model was."""
    model: WinnerVersion | None = None
    """None if nothing was registered."""
    gates: tuple[GateVerdict, ...] = ()
    """What each gate says about the winner; empty without a winner."""
    formats: tuple[ServedFormat, ...] = ()
    """The formats in which the winner can be served, torch first; empty if only torch was asked
    for."""
    format_gate: GateVerdict | None = None
    """The verdict about the format that the experiment asks for. If it failed, the model is
    registered as torch."""

    @property
    def failed_gates(self) -> list[GateVerdict]:
        """The verdicts of the gates that the winner failed."""
        return [verdict for verdict in self.gates if not verdict.passed]

    @property
    def serving_format(self) -> str:
        """The format in which the winner is registered."""
        return next((each.name for each in self.formats if each.used), TORCH)

    @property
    def names(self) -> dict[str, str]:
        """Label -> the name that people read."""
        return {each.label: each.name for each in self.contenders}
