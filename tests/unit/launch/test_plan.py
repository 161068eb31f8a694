"""What planning refuses of the format in which a winner is to be served."""

import sys

import pytest

from launch.plan import check_experiment
from squadron.config import Contender, Data, Experiment, Serving
from squadron.errors import InputError

FORMATS = ("onnx", "onnx-int8")


def plan(serving_format, *variants):
    """Checks an experiment on the example's corpus."""
    check_experiment(
        Experiment(
            name="plan",
            data=Data(train=("examples/corpus.json",)),
            serving=Serving(format=serving_format),
            contenders=tuple(Contender(variant, label=variant) for variant in variants),
        )
    )


@pytest.mark.parametrize("serving_format", FORMATS)
@pytest.mark.parametrize("variant", ["crf", "reasoning", "prompt_tuning"])
def test_a_variant_without_a_span_head_alone_cannot_be_served_as_onnx(serving_format, variant):
    with pytest.raises(InputError, match=f"{serving_format!r} is not allowed .* {variant!r}"):
        plan(serving_format, "span", variant)


def test_span_heads_can_be_served_in_every_format():
    for serving_format in ("torch", *FORMATS):
        plan(serving_format, "span", "lora", "pretrained")
    plan("torch", "crf", "reasoning")


def test_a_missing_package_is_named_before_the_race(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="onnx needs the package onnxruntime"):
        plan("onnx", "span")
    plan("torch", "span")
