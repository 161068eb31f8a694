"""Finds, checks and loads backbones: the shipped ones, hub names, folders, s3:// prefixes.

Owns the files of a backbone and its tokenizer. The variants build models on it. Code that comes
with a model is never run.
"""

import json
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import storage
from squadron.config import digest
from squadron.errors import InputError
from squadron.models import architectures, hub, minilm, scratch, starter
from squadron.models.model_names import read_model_name

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

FETCHED = "backbone-"
"""How the names of folders with backbones from S3 begin. They stay among the temporary files, so
that later steps find them."""
# Weights of the heads that transformers gives its models for question answering.
_ANSWER_HEAD = re.compile(r"(^|\.)(qa_outputs|start_logits|end_logits)\.")
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w.-]+)?$")


def locate(backbone: str) -> str:
    """Returns the folder or the hub name of a backbone, as `from_pretrained` takes it.

    Args:
        backbone: "all-MiniLM-L6-v2", "starter", a folder, an s3:// prefix, or "org/name" with an
            optional "@revision". The folder of the starter holds no weights of its backbone, so
            `from_pretrained` must load it.

    Raises:
        InputError: If it can't be found, or if a file of the offline default has been altered.
    """
    if scratch.read_kind(backbone):
        raise InputError(
            f"The backbone {backbone!r} is made of a race's own training data; it has no place "
            "before featurize has run"
        )
    if read_model_name(backbone):
        raise InputError(
            f"The backbone {backbone!r} is a registered model, which a race's steps fetch; give "
            "its folder here"
        )
    if backbone == minilm.NAME:
        return str(minilm.locate())
    if backbone == starter.NAME:
        return str(starter.FOLDER)
    if storage.is_remote(backbone):
        key = digest(backbone, storage.content_digest(backbone))
        place = Path(tempfile.gettempdir()) / f"{FETCHED}{key}"
        # A folder of this name is whole, because a download is renamed when it is complete. The
        # name holds the digest of its content. The owner is checked, as others may write here.
        is_fetched = place.is_dir() and place.stat().st_uid == os.getuid()
        folder = place if is_fetched else storage.fetch_folder(backbone, place)
        _refuse_pickle(backbone, folder)
        return str(folder)
    folder = Path(backbone).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"The backbone folder {folder} has no config.json; is it a model?")
        _refuse_pickle(backbone, folder)
        return str(folder)
    looks_local = backbone.startswith((".", "/", "~")) or backbone.count("/") > 1
    if looks_local or not _HUB_NAME.match(backbone):
        raise InputError(
            f"The backbone {backbone!r} is no folder; give {minilm.NAME!r} or "
            f"{starter.NAME!r} (both offline), a folder, an s3:// prefix or a hub name such as "
            "'org/name'"
        )
    return backbone


def fingerprint(backbone: str) -> str:
    """Returns a digest that changes with the backbone's content.

    The digest of a hub name depends on the name and its revision alone.
    """
    if backbone == minilm.NAME:
        return digest(*sorted(minilm.SHA256.values()))
    if backbone == starter.NAME:
        return digest(fingerprint(minilm.NAME), storage.content_digest(str(starter.FOLDER)))
    if scratch.read_kind(backbone):
        return digest(backbone)  # the data and the code that make it have digests of their own
    if storage.is_remote(backbone) or Path(backbone).expanduser().is_dir():
        return digest(storage.content_digest(str(backbone)))
    locate(backbone)
    return digest("hub", backbone)


def find_requirements(backbone: str) -> set[str]:
    """Returns the distributions that bring a backbone: one for those we ship, else none."""
    return {minilm.PACKAGE} if is_shipped(backbone) else set()


def is_shipped(backbone: str) -> bool:
    """Whether a backbone comes with this project, so that no file or server is needed for it."""
    return backbone in (minilm.NAME, starter.NAME)


def from_pretrained(loader: Any, backbone: str, **options: Any) -> Any:
    """Calls `loader.from_pretrained` without running code that comes with the model.

    If the hub does not answer, only copies on this machine are used. A folder of the backbone
    `scratch` has no weights; there, a model (of an Auto class) is built from the configuration with
    random weights from torch.

    Args:
        loader: A class of transformers with `from_pretrained`.
        backbone: As `locate` takes it.
        options: Further arguments of `from_pretrained`.

    Raises:
        InputError: If it can't be loaded, with the reason and the remedy.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig

    if backbone == starter.NAME:
        loaded = from_pretrained(loader, minilm.NAME, **options)
        return starter.merge(loaded) if hasattr(loaded, "named_parameters") else loaded
    place = locate(backbone)
    name, _, revision = place.partition("@") if not Path(place).is_dir() else (place, "", "")
    if revision:
        options["revision"] = revision
    problem = "" if Path(place).is_dir() else hub.find_problem()
    if problem:
        options["local_files_only"] = True
    try:
        if hasattr(loader, "from_config") and scratch.is_weightless(Path(place)):
            options.pop("use_safetensors", None)
            config = options.pop("config", None) or from_pretrained(AutoConfig, backbone)
            return loader.from_config(config, trust_remote_code=False, **options)
        return loader.from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "does not appear to have a file named model.safetensors" in reason:
            raise InputError(_pickle_sentence(backbone)) from None
        if problem:
            raise InputError(
                f"The backbone {backbone!r} can't be loaded: the hub {hub.shown_endpoint()} "
                f"{problem}, and this machine has no copy of it. Set HF_ENDPOINT to a hub that can "
                f"be reached, or use {minilm.NAME!r} or a local folder; where the model is in the "
                "hub's cache, HF_HUB_OFFLINE=1 asks no hub"
            ) from None
        raise InputError(
            f"The backbone {backbone!r} can't be loaded: {reason} Offline, use {minilm.NAME!r} or "
            "a local folder"
        ) from None


def read_config(backbone: str) -> Any:
    """Returns the configuration of a backbone (transformers' PreTrainedConfig).

    Raises:
        InputError: If it can't be loaded, or if its architecture is not allowed.
    """
    from transformers import MODEL_FOR_QUESTION_ANSWERING_MAPPING, AutoConfig

    config = from_pretrained(AutoConfig, backbone)
    architectures.refuse_kind(backbone, config.model_type)
    if type(config) not in MODEL_FOR_QUESTION_ANSWERING_MAPPING:
        raise InputError(
            f"The backbone {backbone!r} is not allowed, as transformers has no question answering "
            f"for {config.model_type}; {architectures.USUAL_KINDS}"
        )
    return config


def check_local(backbone: str, max_length: int, frozen_layers: int = 0) -> None:
    """Refuses a backbone on this machine that does not fit the settings of its contender.

    This reads only config.json, which takes milliseconds. A backbone that a step fetches or makes
    is checked by that step.

    Args:
        backbone: As a contender names it.
        max_length: The most tokens of the contender's windows.
        frozen_layers: How many of its layers are not trained.

    Raises:
        InputError: If it can't read text, not such long windows, or has fewer layers.
    """
    if read_model_name(backbone) or scratch.read_kind(backbone) or storage.is_remote(backbone):
        return
    path = Path(locate(backbone)) / "config.json"
    if not path.is_file():
        return  # a hub name
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The backbone's file {path} can't be read: {error}") from None
    if isinstance(config, dict):
        architectures.refuse_kind(backbone, str(config.get("model_type")))
        architectures.check_length(backbone, config, max_length)
        architectures.check_frozen_layers(backbone, config, frozen_layers)


def has_answer_head(backbone: str) -> bool:
    """Whether a backbone has a head for question answering, so that it was trained on questions.

    The architectures in its configuration decide and, in a folder, also the names of its weights,
    because a configuration may name no architecture.

    Raises:
        InputError: If its configuration can't be loaded.
    """
    from transformers import AutoConfig

    if backbone == minilm.NAME:
        return False
    place = Path(locate(backbone))
    if scratch.is_weightless(place):
        return False
    named = from_pretrained(AutoConfig, backbone).architectures or []
    weights = _weight_names(place) if place.is_dir() else set()
    return any("QuestionAnswering" in name for name in named) or any(
        _ANSWER_HEAD.search(name) for name in weights
    )


def load_tokenizer(backbone: str) -> Any:
    """Returns the fast tokenizer of a backbone (transformers' PreTrainedTokenizerFast).

    Raises:
        InputError: If it has no tokenizer, or only a slow one, which gives no character offsets.
    """
    from transformers import AutoTokenizer

    tokenizer = from_pretrained(AutoTokenizer, backbone)
    if not tokenizer.is_fast:
        raise InputError(
            f"The backbone {backbone!r} has no fast tokenizer, which gives character offsets; "
            "choose one with a tokenizer.json"
        )
    # If the files are missing, transformers makes a tokenizer that knows only special tokens.
    if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_tokens):
        raise InputError(
            f"The backbone {backbone!r} has no tokenizer; put its tokenizer.json beside its weights"
        )
    return tokenizer


def bare_tokenizer(tokenizer: Any) -> "Tokenizer":
    """Returns a copy of the Rust tokenizer, without the truncation and padding stored in it."""
    from tokenizers import Tokenizer

    bare = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    bare.no_truncation()
    bare.no_padding()
    return bare


def _weight_names(folder: Path) -> set[str]:
    """Returns the names of all tensors in the safetensors files of a folder."""
    from safetensors import SafetensorError, safe_open

    names: set[str] = set()
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as file:
                names |= set(file.keys())
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"The backbone's file {path} is not a readable safetensors file: {error}; fetch it "
                "again"
            ) from None
    return names


def _refuse_pickle(backbone: str, folder: Path) -> None:
    """Refuses a folder that has pickled weights and no safetensors."""
    if any(folder.glob("pytorch_model*.bin")) and not any(folder.glob("*.safetensors")):
        raise InputError(_pickle_sentence(backbone))


def _pickle_sentence(backbone: str) -> str:
    return (
        f"The backbone {backbone!r} has no model.safetensors, and pickled weights such as "
        "pytorch_model.bin are never loaded here, as they may run code; if you trust them, convert "
        "them once in a local folder (one line, in experiments/spanbert_squad2.yaml) and name it "
        "as the backbone"
    )
