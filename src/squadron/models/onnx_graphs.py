"""Writes a span network of transformers as an ONNX file, in fp32 or int8.

The inputs are `input_ids`, `attention_mask` and `token_type_ids` of shape (B, T), all int64. The
outputs are `start_logits` and `end_logits` of shape (B, T). B and T may be any number. A network
that takes no token types has no such input.
"""

import inspect
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from squadron.artifacts import written_whole
from squadron.errors import InputError
from squadron.models import onnx_int8
from squadron.models.onnx_scorer import OUTPUTS
from squadron.requirements import ONNX, require_packages

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_SAMPLE = (2, 48)
"""Windows and tokens of the input with which the network is traced; neither may be 1."""
_CALIBRATION = (64, 128, 256, 384)
"""Lengths of the windows that show how large the channels of a network become, if they fit."""


class _Logits(torch.nn.Module):
    """A network that takes the inputs by position and gives both logits."""

    def __init__(self, network: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self._names = network, names

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the logits of start and end, each of shape (B, T)."""
        output = self.network(**dict(zip(self._names, inputs, strict=True)))
        return output.start_logits, output.end_logits


def write_fp32(network: Any, path: Path) -> None:
    """Writes a network as an ONNX file in fp32.

    Args:
        network: A network of AutoModelForQuestionAnswering, on the CPU. It is not changed.
        path: The file to write.

    Raises:
        InputError: If a package is missing, or the architecture can't be converted.
    """
    require_packages(ONNX, "A model as ONNX needs", "onnx")
    names = _find_inputs(network)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2)
    inputs = tuple(torch.ones(_SAMPLE, dtype=torch.int64) for _ in names)
    attention, training = network.config._attn_implementation, network.training
    network.set_attn_implementation("eager")
    try:
        with torch.no_grad(), _quiet(), written_whole(path) as temporary:
            torch.onnx.export(
                _Logits(network, names).eval(),
                inputs,
                temporary,
                input_names=list(names),
                output_names=list(OUTPUTS),
                dynamic_shapes=(tuple({0: batch, 1: length} for _ in names),),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The architecture {network.config.model_type!r} can't be converted to ONNX: {reason} "
            "Use the format torch or hf"
        ) from None
    finally:
        network.set_attn_implementation(attention)
        network.train(training)


def write_int8(network: Any, path: Path, tokenizer: Any) -> None:
    """Writes a network as an ONNX file whose matrix products are int8 (see `onnx_int8`).

    Args:
        network: As for `write_fp32`.
        path: The file to write.
        tokenizer: Its tokenizer, which names the special tokens.

    Raises:
        InputError: As `write_fp32` does.
    """
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "fp32.onnx"
        write_fp32(network, whole)
        with _quiet(), written_whole(path) as target:
            onnx_int8.quantize(whole, target, _draw_windows(network, tokenizer))


def _find_inputs(network: Any) -> tuple[str, ...]:
    taken = inspect.signature(network.forward).parameters
    return tuple(name for name in INPUTS if name in taken)


def _draw_windows(network: Any, tokenizer: Any) -> list[dict[str, Any]]:
    """Returns inputs of random tokens: large channels are large whatever the text is.

    So no data are needed, and the same network always gives the same file.
    """
    config = network.config
    generator = torch.Generator().manual_seed(0)
    longest = int(getattr(config, "max_position_embeddings", 0) or 512) - 2
    feeds = []
    for length in sorted({min(length, longest) for length in _CALIBRATION}):
        ids = torch.randint(int(config.vocab_size), (1, length), generator=generator)
        # Special tokens are in every window, and some networks put their largest values there.
        for place, name in ((0, "cls"), (length // 8, "sep"), (length - 1, "sep")):
            number = getattr(tokenizer, f"{name}_token_id", None)
            if number is not None:
                ids[0, place] = number
        values = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "token_type_ids": torch.zeros_like(ids),
        }
        feeds.append({name: values[name].numpy() for name in _find_inputs(network)})
    return feeds


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the notes of the exporter and of the quantizer from the terminal."""
    loggers = [logging.getLogger(name) for name in ("", "torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
