"""What a race is made of: the settings of an experiment, and how they are read.

Owns a frozen dataclass for each section of an experiment file, the defaults (they stand in these
dataclasses and nowhere else), reading an experiment file with its profiles and overrides, and the
strict conversion of YAML and JSON to dataclasses. Does not know variants, the contents of data
files, or servers. Imports `errors` alone.
"""

from squadron.config import parsing
from squadron.config.contenders import Contender, TrainedOn
from squadron.config.conversion import from_mapping
from squadron.config.data import SPLITS, Data, Splits
from squadron.config.documents import Documents
from squadron.config.evaluation import ANSWER_RULES, Evaluate
from squadron.config.experiment import Experiment
from squadron.config.experiment_file import load_experiment
from squadron.config.gates import Gates
from squadron.config.prediction import Predict
from squadron.config.registration import Register
from squadron.config.resolution import build_experiment
from squadron.config.resources import Resources
from squadron.config.serialization import digest, from_json, to_json
from squadron.config.serving import SERVING_FORMATS, TORCH, Serving
from squadron.config.synthesis import Synthesize
from squadron.config.training import Train
from squadron.config.windows import Windows

__all__ = [
    "ANSWER_RULES",
    "SERVING_FORMATS",
    "SPLITS",
    "TORCH",
    "Contender",
    "Data",
    "Documents",
    "Evaluate",
    "Experiment",
    "Gates",
    "Predict",
    "Register",
    "Resources",
    "Serving",
    "Splits",
    "Synthesize",
    "Train",
    "TrainedOn",
    "Windows",
    "build_experiment",
    "digest",
    "from_json",
    "from_mapping",
    "load_experiment",
    "parsing",
    "to_json",
]
