"""`squadron export`: writes a model for programs that do not know this project."""

import argparse
from pathlib import Path

HELP = "write a model as transformers loads it or as ONNX, and push it to a hub"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the model, the format, the folder and the repository."""
    parser.add_argument(
        "model",
        help="a registered model, models:/NAME/VERSION or @ALIAS, a model folder, or starter",
    )
    parser.add_argument("--format", required=True, choices=("hf", "onnx"), help="hf or onnx")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FOLDER", help="an empty or new folder"
    )
    parser.add_argument("--push", default="", metavar="ORG/NAME", help="also push it to a hub")
    parser.add_argument(
        "--public", action="store_true", help="make a repository that is created public"
    )


def run(options: argparse.Namespace) -> int:
    """Writes a model for other programs: hf for AutoModelForQuestionAnswering, or an ONNX file.

    With --push, the folder is then pushed in one commit to a repository of the hub at HF_ENDPOINT,
    with the token HF_TOKEN. A repository that is created is private unless --public is given.
    """
    from squadron.commands._libraries import silence_libraries
    from squadron.requirements import ONNX, require_packages

    silence_libraries()
    if options.format == "onnx":
        require_packages(ONNX, "--format onnx needs", "onnx")

    from squadron import registry
    from squadron.registry import hub_push
    from squadron.registry.export import export

    if options.push:
        hub_push.check_name(options.push)
    with registry.open_model(options.model) as opened:
        export(opened, options.format, options.output)
        print(f"{opened.name} is in {options.output}, as {options.format}")
    if options.push:
        address = hub_push.push(options.output, options.push, private=not options.public)
        print(f"pushed: {address}")
    return 0
