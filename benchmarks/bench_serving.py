"""Measures `squadron serve` beside the bare network and beside `mlflow models serve`.

    python benchmarks/bench_serving.py DATA.json [--output FILE.json]

A model is registered from the starter reader, as versions 1 and 2 in a sqlite store of a temporary
folder, and as version 3 in the format onnx-int8 (with --model, a registered model of
MLFLOW_TRACKING_URI is measured alone, without switch and int8). The questions come from DATA.json,
with contexts of about 150 tokens. In one run:

- bare: one forward pass on one question that was tokenized before, by the network as transformers
  loads it from `squadron export --format hf`; reader: `Reader.read` of the same question; lone:
  POST /answer by one client. They take turns in blocks of 20.
- squadron, mlflow: 16 clients ask for 60 seconds, first `squadron serve`, then
  `mlflow models serve --env-manager local` with the same version and the same questions.
- int8, mlflow_int8: the same load on both servers with version 3. Its weights are those of version
  1 after rounding, so its answers may differ (benchmarks/bench_onnx.py says how often).
- switch: 16 clients ask `squadron serve` while the alias moves to version 2 and back.

The targets: the median of lone is at most 1.25 times that of bare; squadron answers at least 3
times as many requests per second as mlflow; no request fails, also not during the switches. Run it
on two idle cores (`taskset -c 0,1` on a larger machine).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import at_least, at_most, finish, make_parser, measure, medians
from benchmarks.serving_load import Client, Server, find_port, put_load, running

NAME = "served-starter"
TOKENS = 150
NEAR = 0.15
"""How far the number of tokens of a context may be from the one that is wanted, as a share."""
BLOCK = 20
WARM_UPS = 10
MOST_RATIO = 1.25
LEAST_SPEED_UP = 3.0
FOLLOW_SECONDS = 1.0
INT8_VERSION = "3"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__, repeat=200)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--model", default="", help="default: the starter, registered here")
    parser.add_argument("--version", default="staging", help="a number or an alias of --model")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of a context, about")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load")
    options = parser.parse_args(arguments)
    options.data = options.data.resolve()
    if options.output:
        options.output = options.output.resolve()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not options.model:
            register_starter(folder)
        report, targets = measure_all(options, folder)
    finish(report, targets, options, enough=100)


def measure_all(
    options: argparse.Namespace, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the figures of all sides, and the targets."""
    from squadron import registry

    name = options.model or NAME
    version = registry.find_version(name, options.version)
    reader = registry.load_reader(name, version.version)
    questions = choose_questions(options.data, reader, options.tokens)
    report: dict[str, Any] = {
        "benchmark": "serving",
        "data": options.data.name,
        "questions": len(questions),
        "clients": options.clients,
        "seconds": options.seconds,
    }
    bare = load_bare(name, version.version, folder)
    with squadron_server(name, folder) as server:
        report["one_request"] = one = measure_one(
            server, reader, bare, questions[0], options.repeat
        )
        load = put_load(server, questions, options.clients, options.seconds)
        report["squadron"] = show("squadron", load.figures())
    with mlflow_server(version.uri, folder) as server:
        load = put_load(server, questions, options.clients, options.seconds)
        report["mlflow"] = show("mlflow", load.figures())
    if not options.model:
        with squadron_server(name, folder, INT8_VERSION) as server:
            load = put_load(server, questions, options.clients, options.seconds)
        report["int8"] = show("int8", load.figures())
        with mlflow_server(registry.find_version(name, INT8_VERSION).uri, folder) as server:
            load = put_load(server, questions, options.clients, options.seconds)
        report["mlflow_int8"] = show("mlflow_int8", load.figures())
        with squadron_server(name, folder) as server:
            move = switch_twice(options.seconds)
            load = put_load(server, questions, options.clients, options.seconds, move)
        report["switch"] = show("switch", load.figures())
    speed_up = report["squadron"]["requests_per_second"] / report["mlflow"]["requests_per_second"]
    failed = sum(report.get(side, {}).get("failed", 0) for side in ("squadron", "int8", "switch"))
    targets = [
        at_most("one request, of the bare pass", one["lone"] / one["bare"], MOST_RATIO, "times"),
        at_least("throughput, of mlflow's", speed_up, LEAST_SPEED_UP, "times"),
        at_most("failed requests", failed, 0, ""),
    ]
    if "switch" in report:
        seen = len(report["switch"]["versions"])
        targets.append(at_least("versions seen during the switches", seen, 2, ""))
    return report, targets


def register_starter(folder: Path) -> None:
    """Registers the starter in a new store: twice as it is, of which 1 is staging, once as int8."""
    from squadron import registry, tracking
    from squadron.config import Contender
    from squadron.models import backbones, model_folder, serving_formats, starter, variants
    from squadron.registry import registration

    os.environ[tracking.URI_VARIABLE] = f"sqlite:///{folder}/mlflow.db"
    os.chdir(folder)  # MLflow puts the files of runs below the working directory.
    contender = Contender("pretrained", label="starter", backbone=starter.NAME)
    variant = variants.load_variant(contender.variant)
    model = variant.build(contender.backbone, variants.read_options(contender))
    tokenizer = backbones.load_tokenizer(contender.backbone)
    model_folder.write_model(folder / "model", model, tokenizer, contender, made_from="starter")
    answering = model_folder.read_answering(starter.FOLDER)
    assert answering is not None
    serving_formats.convert(folder / "model", folder / "int8", "onnx-int8")
    for number in ("1", "2", INT8_VERSION):
        race = tracking.Race("benchmark", f"{number}0000000")
        tracking.open_race(race, [contender.label], {}, "benchmark")
        run = tracking.find_child(race, contender.label)
        source = folder / ("int8" if number == INT8_VERSION else "model")
        registration.register_model(NAME, run, source, answering, {})
    registry.promote(NAME, "1", registry.STAGING)


def load_bare(name: str, version: str, folder: Path) -> Any:
    """Returns the network of a version as transformers loads it."""
    from transformers import AutoModelForQuestionAnswering

    from squadron import registry
    from squadron.registry import export

    with registry.open_model(name, version) as opened:
        export.export(opened, "hf", folder / "bare")
    return AutoModelForQuestionAnswering.from_pretrained(folder / "bare").eval()


def choose_questions(data: Path, reader: Any, wanted: int) -> list[tuple[str, str]]:
    """Returns the questions of a file whose contexts have about so many tokens.

    Args:
        data: A SQuAD file.
        reader: Its tokenizer counts.
        wanted: The number of tokens.
    """
    content = json.loads(data.read_text(encoding="utf-8"))
    found = []
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            context = paragraph["context"]
            tokens = len(reader._tokenizer.encode(context, add_special_tokens=False).ids)
            if abs(tokens - wanted) <= NEAR * wanted:
                found += [(each["question"], context, tokens) for each in paragraph["qas"]]
    if not found:
        sys.exit(f"{data} has no context of about {wanted} tokens")
    found.sort(key=lambda each: abs(each[2] - wanted))
    print(f"{len(found):,} questions have contexts of about {wanted} tokens", flush=True)
    return [(question, context) for question, context, _ in found]


@contextmanager
def squadron_server(name: str, folder: Path, version: str = "staging") -> Iterator[Server]:
    """Runs `squadron serve` for a version or an alias."""
    port = find_port()
    command = [sys.executable, "-m", "squadron", "serve", "--model", name]
    command += ["--version", version, "--drain-seconds", "0"]
    command += ["--follow-seconds", str(FOLLOW_SECONDS)]
    with running(command, port, folder / "squadron.log"):
        yield Server(
            port,
            "/answer",
            lambda question, context: dump({"question": question, "context": context}),
            lambda answer: str(answer["model"]["version"]),
        )


@contextmanager
def mlflow_server(uri: str, folder: Path) -> Iterator[Server]:
    """Runs `mlflow models serve` in this environment."""
    port = find_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    with running([*command, "-m", uri, "--host", "127.0.0.1"], port, folder / "mlflow.log"):
        yield Server(
            port,
            "/invocations",
            lambda question, context: dump(
                {"inputs": [{"question": question, "context": context}]}
            ),
        )


def dump(body: dict[str, Any]) -> bytes:
    """Returns the body of a request."""
    return json.dumps(body).encode()


def measure_one(
    server: Server, reader: Any, bare: Any, question: tuple[str, str], repeat: int
) -> dict[str, float]:
    """Returns the medians of one forward pass, one reading and one request, in milliseconds."""
    import torch

    encoded = reader._tokenizer.encode(*question)
    inputs = {
        "input_ids": torch.tensor([encoded.ids]),
        "attention_mask": torch.tensor([encoded.attention_mask]),
        "token_type_ids": torch.tensor([encoded.type_ids]),
    }

    def pass_bare() -> None:
        with torch.inference_mode():
            bare(**inputs)

    client = Client(server)
    sides: dict[str, Callable[[], object]] = {
        "bare": pass_bare,
        "reader": lambda: reader.read([question]),
        "lone": lambda: client.ask(*question),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        for _ in range(WARM_UPS):
            side()
    for first in range(0, repeat, BLOCK):
        for name, side in sides.items():
            seconds[name] += [measure(side) for _ in range(min(BLOCK, repeat - first))]
    found = {name: 1000 * value for name, value in medians(seconds).items()}
    lengths = f"{len(encoded.ids)} tokens"
    print(f"one request of {lengths}: " + ", ".join(f"{k} {v:.2f} ms" for k, v in found.items()))
    return found


def switch_twice(seconds: float) -> Callable[[], None]:
    """Returns a function that moves the alias to version 2 after a third of a time, and back."""
    from squadron import registry

    def move() -> None:
        for version in ("2", "1"):
            time.sleep(seconds / 3)
            registry.promote(NAME, version, registry.STAGING)

    return move


def show(side: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Prints the figures of a load, and returns them."""
    print(
        f"{side:11s} {figures['requests_per_second']:6.1f} requests/s, "
        f"p50 {figures['p50_ms']:6.1f} ms, p99 {figures['p99_ms']:6.1f} ms, "
        f"{figures['requests']:,} answered, {figures['failed']} failed {figures['errors'] or ''}",
        flush=True,
    )
    return figures


if __name__ == "__main__":
    main()
