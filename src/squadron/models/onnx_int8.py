"""Turns the matrix products of an ONNX graph into int8, but for channels that int8 can't hold.

`quantize_dynamic` of ONNX Runtime rounds the weights once, per output channel, and the input of a
product anew in every pass, with one scale for the whole tensor. A few channels of a transformer are
ten times as large as the others, and the scale follows the largest. So channels are divided by a
factor that is multiplied into the weights, as in SmoothQuant (Xiao et al. 2023, arXiv:2211.10438),
and the largest channels of the widest inputs stay in fp32, as in LLM.int8() (Dettmers et al. 2022,
arXiv:2208.07339). docs/decisions/onnx.md has the figures.

Legend: C channels of the input of a product, N of its output, K channels that stay in fp32.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

KEPT_CHANNELS = 8
"""How many channels of a product with outliers stay in fp32."""
OUTLIER = 6.0
"""Channels stay in fp32 if the largest is this many times as large as the median."""
UNEVEN = 4.0
"""Channels are divided by factors if the largest is this many times as large as the median."""
SMOOTHING = 0.7
"""The exponent of SmoothQuant: the share of a channel's range that moves to the weights."""
NARROW = 32
"""Products with fewer outputs than this, such as the span layer, stay in fp32."""
_FLOAT = 1
"""onnx.TensorProto.FLOAT."""

Floats = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int64]


def quantize(source: Path, target: Path, feeds: Sequence[Mapping[str, Tokens]]) -> None:
    """Writes an int8 copy of an fp32 graph.

    Args:
        source: An .onnx file with its weights inside.
        target: The .onnx file to write.
        feeds: The inputs of a few passes, which show how large each channel becomes.
    """
    import onnx
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        QuantType,
        quantize_dynamic,
    )

    model = onnx.load(source)
    products = _find_products(model.graph)
    inputs = sorted({node.input[0] for node in products})
    largest = _measure_channels(model, inputs, feeds)
    for number, node in enumerate(products):
        _move_outliers(model.graph, node, largest[node.input[0]], f"squadron_{number}")
    _drop_unused(model.graph)
    with tempfile.TemporaryDirectory() as temporary:
        moved = Path(temporary) / "moved.onnx"
        onnx.save(model, moved)
        quantize_dynamic(
            moved,
            target,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=[node.name for node in products],
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Without VNNI, the processor adds two products of 8 bits in 16 bits, which can
            # overflow. With weights of 7 bits it can't.
            reduce_range=True,
            extra_options={"DefaultTensorType": _FLOAT},
        )


def _find_products(graph: Any) -> list[Any]:
    """Returns the products of an activation with a wide matrix of weights; each has a name."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    products = []
    for number, node in enumerate(graph.node):
        if node.op_type == "MatMul":
            shape = shapes.get(node.input[1], [])
            if len(shape) == 2 and shape[1] >= NARROW:
                node.name = node.name or f"squadron_product_{number}"
                products.append(node)
    return products


def _measure_channels(
    model: Any, names: Sequence[str], feeds: Sequence[Mapping[str, Tokens]]
) -> dict[str, Floats]:
    """Returns the largest absolute value of each channel (C) of some tensors over all passes."""
    import onnx
    import onnxruntime  # type: ignore[import-untyped]

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    for name in names:
        watched.graph.output.append(onnx.helper.make_tensor_value_info(name, _FLOAT, None))
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    largest: dict[str, Floats] = {}
    for feed in feeds:
        for name, value in zip(names, session.run(list(names), dict(feed)), strict=True):
            size_C = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            largest[name] = np.maximum(largest.get(name, size_C), size_C)
    return largest


def _move_outliers(graph: Any, node: Any, largest_C: Floats, name: str) -> None:
    """Rewrites a product so that the channels of its input have similar ranges, in place.

    x W becomes (x / f) (f W) + x_K W_K, where 1 / f is 0 for the K kept channels.

    Args:
        graph: The graph.
        node: The product.
        largest_C: The largest absolute value of each channel of its input.
        name: The beginning of the names of new nodes and tensors.
    """
    from onnx import helper, numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weight_CN = numpy_helper.to_array(tensors[node.input[1]])
    factor_C, kept_K = _choose_factors(largest_C, weight_CN)
    if (factor_C == 1).all() and not len(kept_K):
        return
    inverse_C = (1 / factor_C).astype(np.float32)
    scaled_CN = (weight_CN * factor_C[:, None]).astype(np.float32)
    inverse_C[kept_K], scaled_CN[kept_K] = 0, 0
    source, place = node.input[0], list(graph.node).index(node)
    graph.initializer.append(numpy_helper.from_array(inverse_C, f"{name}_factors"))
    graph.initializer.append(numpy_helper.from_array(scaled_CN, f"{name}_weights"))
    before = [
        helper.make_node("Mul", [source, f"{name}_factors"], [f"{name}_even"], name=f"{name}_mul")
    ]
    after = []
    node.input[0], node.input[1] = f"{name}_even", f"{name}_weights"
    if len(kept_K):
        graph.initializer.append(numpy_helper.from_array(kept_K, f"{name}_kept"))
        graph.initializer.append(numpy_helper.from_array(weight_CN[kept_K], f"{name}_exact"))
        kept, part, whole = f"{name}_channels", f"{name}_part", node.output[0]
        before.append(
            helper.make_node(
                "Gather", [source, f"{name}_kept"], [kept], axis=-1, name=f"{name}_gather"
            )
        )
        before.append(
            helper.make_node("MatMul", [kept, f"{name}_exact"], [part], name=f"{name}_product")
        )
        node.output[0] = f"{name}_rest"
        after = [helper.make_node("Add", [node.output[0], part], [whole], name=f"{name}_sum")]
    for offset, new in enumerate(before):
        graph.node.insert(place + offset, new)
    for offset, new in enumerate(after, start=place + len(before) + 1):
        graph.node.insert(offset, new)


def _choose_factors(largest_C: Floats, weight_CN: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Returns the divisor of each channel, 1 or more, and the numbers of the kept channels.

    Only products that make the width smaller keep channels: the others would spend more on the sum
    of both parts than they gain.
    """
    size_C = np.maximum(largest_C, 1e-5)
    unevenness = size_C.max() / np.median(size_C)
    factor_C = np.ones_like(size_C)
    kept_K = np.zeros(0, np.int64)
    if unevenness > UNEVEN:
        weight_C = np.maximum(np.abs(weight_CN).max(axis=1), 1e-5)
        factor_C = size_C**SMOOTHING / weight_C ** (1 - SMOOTHING)
        factor_C = np.maximum(factor_C / np.median(factor_C), 1).astype(np.float32)
    if unevenness > OUTLIER and weight_CN.shape[0] > weight_CN.shape[1]:
        kept_K = np.sort(np.argsort(-size_C)[:KEPT_CHANNELS])
    return factor_C, kept_K


def _drop_unused(graph: Any) -> None:
    """Removes the tensors that no node reads any more, in place."""
    used = {name for node in graph.node for name in node.input}
    for tensor in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(tensor)
