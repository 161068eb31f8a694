"""The options of the command line that name the model which answers."""

import argparse


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --model and --version, which `registry.open_model` takes."""
    parser.add_argument(
        "--model",
        default="",
        help="a name, models:/NAME@ALIAS, a model folder or `starter`; default: the model "
        "registered last, else the starter",
    )
    parser.add_argument(
        "--version",
        default="",
        help="a number or an alias; default: staging, else production, else candidate",
    )
