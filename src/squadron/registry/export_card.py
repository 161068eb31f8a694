"""The README.md of an exported model: front matter for a hub, and the project's model card."""

from pathlib import Path

import yaml

from squadron.answers.answering import Answering
from squadron.config import Contender
from squadron.models import licences, minilm, starter
from squadron.models.model_names import read_model_name
from squadron.registry.opening import OpenedModel
from squadron.reports import model_card

HUB_LICENCES = {
    name.casefold(): name
    for name in (
        *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-3.0", "gpl-3.0"),
        *("cc-by-sa-4.0", "cc-by-sa-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"),
    )
}
"""Licences that a hub knows by a short name. It calls every other licence "other"."""
HUB_NAMES = {minilm.NAME: f"sentence-transformers/{minilm.NAME}"}
HUB_NAMES[starter.NAME] = HUB_NAMES[minilm.NAME]
"""Backbones that this project ships -> their names on the hub."""
SQUAD = "rajpurkar/squad"
_TRANSFORMERS = """\
```python
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

model = AutoModelForQuestionAnswering.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
```
"""
_ONNX = """\
```python
import onnxruntime
from transformers import AutoTokenizer

session = onnxruntime.InferenceSession("FOLDER/model.onnx")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
window = tokenizer("Who wrote it?", "Ada wrote it in 1843.", return_tensors="np")
start_logits, end_logits = session.run(["start_logits", "end_logits"], dict(window))
```
"""


def write_card(
    opened: OpenedModel,
    contender: Contender,
    answering: Answering | None,
    form: str,
    *,
    drops_types: bool,
) -> str:
    """Returns the text of README.md.

    Args:
        opened: The model.
        contender: Its settings.
        answering: How it answers; None if nothing was settled.
        form: "hf" or "onnx".
        drops_types: Whether its head for types of questions is left out.
    """
    windows = contender.windows
    threshold = answering.null_threshold if answering else None
    abstains = (
        "It answers every question."
        if threshold is None
        else f"It gives no answer if the score of the best span, its logits of start and end less "
        f"those of the first token, is {threshold:.4g} or less."
    )
    lines = [
        "---",
        yaml.safe_dump(_front_matter(opened, contender, form), sort_keys=False).strip(),
        "---",
        "",
        _read_card(opened.folder) or f"# {opened.name}\n\nA reader for extractive answers.",
        "",
        "## This form of the model",
        "",
        "It was exported by Squadron. The files are complete: no other weights are needed.",
        "",
        _ONNX if form == "onnx" else _TRANSFORMERS,
        f"It was judged on windows of at most {windows.max_length} tokens, of which neighbours "
        f"share {windows.stride}, and on answers of at most {contender.predict.max_answer_tokens} "
        f"tokens. {abstains}",
    ]
    if drops_types:
        lines += [
            "",
            "The original also tells the type of reasoning that a question needs. This form "
            "answers in the same way but tells no types.",
        ]
    return "\n".join(lines) + "\n"


def _front_matter(opened: OpenedModel, contender: Contender, form: str) -> dict[str, object]:
    """Returns what a hub reads of a card. What is not known is left out."""
    tags = opened.version.tags if opened.version else {}
    licence = tags.get("licence") or _find_licence(contender.backbone)
    found: dict[str, object] = {}
    known = HUB_LICENCES.get(licence.partition(" ")[0].rstrip(",;").casefold())
    if known:
        found["license"] = known
    else:
        found |= {"license": "other", "license_name": licence}
    base = _find_base(contender.backbone)
    if base:
        found["base_model"] = base
    if opened.folder == starter.FOLDER:
        found["datasets"] = [SQUAD]
    elif tags.get("data_licence"):
        found["data_licence"] = tags["data_licence"]
    found |= {
        "metrics": ["exact_match", "f1"],
        "pipeline_tag": "question-answering",
        "library_name": "onnx" if form == "onnx" else "transformers",
        "tags": ["extractive-question-answering", "squadron"],
    }
    return found


def _find_licence(backbone: str) -> str:
    return "unknown" if read_model_name(backbone) else licences.find_licence(backbone)


def _find_base(backbone: str) -> str:
    """Returns the hub's name of a backbone; "" for one that no hub has."""
    if backbone in HUB_NAMES:
        return HUB_NAMES[backbone]
    is_hub_name = backbone.count("/") == 1 and not backbone.startswith((".", "/", "~"))
    return backbone.partition("@")[0] if is_hub_name and not Path(backbone).is_dir() else ""


def _read_card(folder: Path) -> str:
    """Returns the card that is in a model's folder; "" if there is none."""
    for name in (model_card.FILE, "README.md"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8").strip()
    return ""
