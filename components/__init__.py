"""The components of Kubeflow, one file for each step: a signature, one import and one call.

launch/placement.py sets the image. Nothing is installed at run time.
"""

from components.admit import admit
from components.close_race import close_race
from components.evaluate import evaluate
from components.featurize import featurize
from components.ingest import ingest
from components.open_race import open_race
from components.predict import predict
from components.register import register
from components.report import report
from components.train import train

__all__ = [
    "admit",
    "close_race",
    "evaluate",
    "featurize",
    "ingest",
    "open_race",
    "predict",
    "register",
    "report",
    "train",
]
