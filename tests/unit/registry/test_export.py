"""An exported model gives the logits of the original, also after a push to a hub."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from squadron.__main__ import main
from squadron.answers.answering import Answering
from squadron.config import Contender, Predict, Windows
from squadron.data.layout import read_layout
from squadron.data.windows import slide_windows
from squadron.errors import InputError
from squadron.models import backbones, model_folder, variants
from squadron.models.batches import WindowSet
from squadron.registry import export as exporting
from squadron.registry import open_model
from tests import tiny_models
from tests.model_hub import TOKEN, serve_model_hub

SETTINGS = {
    "windows": Windows(max_length=64, stride=16, max_question_length=16),
    "predict": Predict(n_best=5, max_answer_tokens=8, precision="fp32"),
}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


def write_model(folder, variant, backbone):
    contender = Contender(variant, label=variant, backbone=str(backbone), **SETTINGS)
    torch.manual_seed(3)
    model = variants.load_variant(variant).build(
        contender.backbone, variants.read_options(contender)
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    tokenizer = backbones.load_tokenizer(contender.backbone)
    model_folder.write_model(folder, model, tokenizer, contender, made_from="abc")
    model_folder.write_answering(folder, Answering(null_threshold=1.5), made_from="abc")
    (folder / "MODEL_CARD.md").write_text("# The card of the race\n")
    return folder


def cut_batches(tokenizer):
    """Batches of real windows, with padding."""
    bare = backbones.bare_tokenizer(tokenizer)
    layout = read_layout(bare, tokenizer.pad_token_id)
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows = WindowSet(slide_windows(examples, bare, layout, SETTINGS["windows"])[0], layout)
    rows = range(len(windows))
    return [windows.collate(list(rows[first : first + 3])) for first in range(0, len(rows), 3)]


def export(model, form, output):
    with open_model(str(model)) as opened:
        exporting.export(opened, form, output)
    return output


@pytest.mark.parametrize("variant", ["span", "pretrained", "lora", "reasoning"])
def test_transformers_alone_gives_the_logits_of_the_model(variant, backbone, tmp_path):
    model = write_model(tmp_path / "model", variant, backbone)
    folder = export(model, "hf", tmp_path / "out" / "hf")

    network = AutoModelForQuestionAnswering.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert type(network).__module__.startswith("transformers.")
    original = model_folder.load_model(model).model.eval()
    for batch in cut_batches(tokenizer):
        with torch.inference_mode():
            output = network(
                input_ids=batch.input_ids_BT,
                attention_mask=batch.attention_mask_BT,
                token_type_ids=batch.token_type_ids_BT,
            )
            expected = original._score(batch)
        real = batch.attention_mask_BT > 0
        for found, wanted in zip((output.start_logits, output.end_logits), expected, strict=True):
            assert torch.allclose(found[real], wanted[real], atol=1e-5, rtol=1e-5)


def test_the_card_has_front_matter_and_the_card_of_the_race(backbone, tmp_path):
    folder = export(write_model(tmp_path / "model", "reasoning", backbone), "hf", tmp_path / "hf")

    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "other"
    assert card.data.pipeline_tag == "question-answering"
    assert card.data.metrics == ["exact_match", "f1"]
    assert card.data.library_name == "transformers"
    assert "# The card of the race" in card.text
    assert "tells no types" in card.text
    assert "is 1.5 or less" in card.text
    assert (folder / "answering.json").is_file()


def test_the_starter_is_exported_with_its_adapter_merged(tmp_path):
    with open_model("starter") as opened:
        exporting.export(opened, "hf", tmp_path / "starter")
        expected = exporting.read_network(opened).network.eval()

    network = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "starter").eval()
    window = AutoTokenizer.from_pretrained(tmp_path / "starter")(
        "Who wrote it?", "Ada wrote it in 1843.", return_tensors="pt"
    )
    with torch.inference_mode():
        found, wanted = network(**window), expected(**window)
    assert torch.allclose(found.start_logits, wanted.start_logits, atol=1e-5)
    card = ModelCard.load(tmp_path / "starter" / "README.md")
    assert card.data.license == "cc-by-sa-4.0"
    assert card.data.datasets == ["rajpurkar/squad"]
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"


def test_onnx_runtime_alone_gives_the_logits_of_the_model(backbone, tmp_path):
    import onnxruntime

    model = write_model(tmp_path / "model", "lora", backbone)
    folder = export(model, "onnx", tmp_path / "onnx")

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    original = model_folder.load_model(model).model.eval()
    for batch in cut_batches(AutoTokenizer.from_pretrained(folder)):
        feed = {
            name.name: getattr(batch, f"{name.name}_BT").numpy() for name in session.get_inputs()
        }
        with torch.inference_mode():
            expected = original._score(batch)
        found = session.run(["start_logits", "end_logits"], feed)
        real = batch.attention_mask_BT > 0
        for logits, wanted in zip(found, expected, strict=True):
            assert torch.allclose(torch.from_numpy(logits)[real], wanted[real], atol=1e-4)
    assert not list(folder.glob("*.safetensors"))


@pytest.mark.parametrize("variant", ["crf", "prompt_tuning"])
def test_a_model_without_a_span_head_is_refused_and_leaves_nothing(variant, backbone, tmp_path):
    model = write_model(tmp_path / "model", variant, backbone)

    with pytest.raises(InputError, match=f"{variant!r}.*lora, pretrained, reasoning and span"):
        export(model, "hf", tmp_path / "hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "mine").write_text("mine")

    with pytest.raises(InputError, match="not an empty folder"):
        export("starter", "hf", tmp_path)


def run_push(address, model, output, token=TOKEN, *more):
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    environment |= {
        "HF_ENDPOINT": address,
        "HF_HOME": str(output.parent / "hub"),
        "HF_TOKEN": token,
        "HF_HUB_OFFLINE": "0",
        # The protocol of Xet stores chunks in a service of its own; the hub takes LFS as well.
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "squadron", "export", str(model), "--format", "hf"]
    command += ["--output", str(output), "--push", "acme/reader", *more]
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=False,
    )


@pytest.fixture(scope="module")
def model(backbone, tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("pushed") / "model", "span", backbone)


@pytest.mark.slow
def test_a_push_is_one_commit_to_a_private_repository(model, tmp_path):
    output = tmp_path / "hf"
    with serve_model_hub() as hub:
        done = run_push(hub.address, model, output)

    assert done.returncode == 0, done.stderr
    assert "/acme/reader/commit/" in done.stdout
    assert hub.visibility == {"acme/reader": "private"}
    pushed = hub.repositories["acme/reader"]
    files = {p.relative_to(output).as_posix(): p.read_bytes() for p in output.rglob("*")}
    assert pushed == files
    assert sum(line.endswith("/commit/main") for line in hub.asked) == 1
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["repos/create", "preupload", "PUT /storage", "commit/main"])
def test_a_push_that_fails_leaves_no_file_and_is_one_sentence(failing, model, tmp_path):
    with serve_model_hub() as hub:
        hub.failing = failing
        done = run_push(hub.address, model, tmp_path / "hf")

    assert done.returncode == 2, done.stderr
    assert "The model was not pushed to acme/reader" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not any(hub.repositories.values())


@pytest.mark.slow
def test_a_wrong_token_is_one_sentence(model, tmp_path):
    with serve_model_hub() as hub:
        done = run_push(hub.address, model, tmp_path / "hf", "hf_wrong")

    assert done.returncode == 2
    assert "HF_TOKEN" in done.stderr
    assert "hf_wrong" not in done.stderr
    assert not hub.repositories


def test_a_name_of_no_repository_is_refused_before_the_model_is_loaded(tmp_path, capsys):
    output = str(tmp_path / "hf")

    code = main(["export", "starter", "--format", "hf", "--output", output, "--push", "reader"])
    assert code == 2
    assert "give ORG/NAME" in capsys.readouterr().err
    assert not (tmp_path / "hf").exists()
