"""Measures speed, size and answers of a model in torch, in ONNX fp32 and in ONNX int8.

    python benchmarks/bench_onnx.py DATA.json [--questions 500] [--model FOLDER]

DATA is a SQuAD file. The model is the starter reader, or a model folder with a span head. "torch"
is the path as it is served without conversion. Speed is the time of the network and of the best
spans, without cutting windows, in windows per second; the formats take turns.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from measure import at_least, at_most, finish, make_parser, medians, read_questions, take_turns

FASTER = 1.5
MOST_DROP = 0.5
BATCHES = (1, 16)


def main() -> None:
    """Measures the three formats side by side."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="a SQuAD file")
    parser.add_argument("--questions", type=int, default=500, help="how many are asked, now 500")
    parser.add_argument("--windows", type=int, default=64, help="that are timed, now 64")
    parser.add_argument("--model", default="", help="a model folder; the starter without it")
    parser.add_argument("--threads", type=int, default=0, help="0 leaves it to torch")
    options = parser.parse_args()
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    examples = read_questions(options.data).slice(0, options.questions)
    with tempfile.TemporaryDirectory() as temporary:
        readers, sizes = load_formats(options.model, Path(temporary))
        speeds = measure_speeds(readers, examples, options)
        answers = {name: reader_answers(reader, examples) for name, reader in readers.items()}
    report = describe(answers, speeds, sizes, torch.get_num_threads())
    for name, row in report["formats"].items():
        print(name.ljust(10), "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    int8, fp32 = report["formats"]["onnx-int8"], report["formats"]["torch"]
    ratios = [int8[f"batch_{size}"] / fp32[f"batch_{size}"] for size in BATCHES]
    targets = [
        at_least(f"int8 over torch, batch {size}", ratio, FASTER, "times")
        for size, ratio in zip(BATCHES, ratios, strict=True)
    ]
    drop = fp32["exact_match"] - int8["exact_match"]
    targets.append(at_most("EM lost by int8", drop, MOST_DROP, "points"))
    finish(report, targets, options)


def load_formats(model: str, temporary: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Returns a reader for each format, and the bytes of the file that it loads."""
    from squadron.models import model_folder, onnx_graphs
    from squadron.models.onnx_scorer import OnnxScorer
    from squadron.reader import Reader

    if model:
        loaded = model_folder.load_model(Path(model))
        plain = Reader.load(Path(model))
        network, tokenizer, contender = loaded.model.span_network(), loaded.tokenizer, None
        contender = loaded.contender
    else:
        plain = Reader.load_starter()
        network, tokenizer, contender = load_starter()
    paths = {"onnx": temporary / "model.onnx", "onnx-int8": temporary / "model.int8.onnx"}
    onnx_graphs.write_fp32(network, paths["onnx"])
    onnx_graphs.write_int8(network, paths["onnx-int8"], tokenizer)
    readers = {"torch": plain}
    for name, path in paths.items():
        scorer = OnnxScorer(path, one_by_one=name == "onnx-int8")
        readers[name] = Reader(scorer, tokenizer, contender, plain.answering)
    weights = sum(each.numel() * each.element_size() for each in network.parameters())
    return readers, {"torch": weights} | {k: p.stat().st_size for k, p in paths.items()}


def load_starter() -> tuple[Any, Any, Any]:
    """Returns the network, the tokenizer and the contender of the starter reader."""
    from squadron.config import Contender
    from squadron.models import backbones, variants

    contender = Contender("pretrained", backbone="starter")
    variant = variants.load_variant(contender.variant)
    model = variant.build(contender.backbone, variants.read_options(contender))
    return model.span_network(), backbones.load_tokenizer(contender.backbone), contender


def measure_speeds(
    readers: dict[str, Any], examples: Any, options: argparse.Namespace
) -> dict[str, dict[int, float]]:
    """Returns format -> batch size -> windows per second, the median of all rounds."""
    import torch

    from squadron.models.batches import WindowSet

    any_reader = next(iter(readers.values()))
    windows = WindowSet(any_reader._slide(examples), any_reader._layout)
    count = min(options.windows, len(windows))
    step = max(1, len(windows) // count)
    rows = sorted(range(0, len(windows), step), key=lambda row: -windows.lengths[row])[:count]
    speeds: dict[str, dict[int, float]] = {name: {} for name in readers}
    for size in BATCHES:
        batches = [windows.collate(rows[i : i + size]) for i in range(0, count, size)]

        def run(reader: Any, batches: Any = batches) -> None:
            with torch.inference_mode():
                for batch in batches:
                    reader._model.top_spans(batch, 20, 30)

        sides = {name: (lambda reader=reader: run(reader)) for name, reader in readers.items()}
        for side in sides.values():
            side()
        for name, seconds in medians(take_turns(sides, options.repeat)).items():
            speeds[name][size] = count / seconds
    return speeds


def reader_answers(reader: Any, examples: Any) -> tuple[dict[str, float], list[str]]:
    """Returns EM and F1 on the questions, and the answers."""
    from squadron.judging import judge_examples

    judgement = judge_examples(reader, examples)
    figures = judgement.figures
    found = {"exact_match": figures.exact_match, "f1": figures.f1}
    return found, list(judgement.judged.answers.chosen)


def describe(
    answers: dict[str, Any], speeds: dict[str, Any], sizes: dict[str, int], threads: int
) -> dict[str, Any]:
    """Returns the report: the figures of each format."""
    plain = answers["torch"][1]
    rows = {}
    for name, (figures, texts) in answers.items():
        differ = sum(a != b for a, b in zip(texts, plain, strict=True))
        rows[name] = {f"batch_{size}": speed for size, speed in speeds[name].items()}
        rows[name] |= {"megabytes": sizes[name] / 1e6, **figures, "answers_that_differ": differ}
    return {"formats": rows, "questions": len(plain), "threads": threads}


if __name__ == "__main__":
    main()
