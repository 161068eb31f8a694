"""Registered models in an experiment: in a plan and in the steps, with a real sqlite registry."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mlflow import MlflowClient

from launch import registered
from launch.command_line import main
from launch.plan import check_experiment, plan_race
from pipeline import build_pipeline
from squadron import registry, steps, tracking
from squadron.answers.answering import Answering
from squadron.artifacts import read_record, read_table, write_record
from squadron.config import Contender, Predict, Register, Windows, build_experiment, to_json
from squadron.errors import InputError
from squadron.models import model_folder, trained_on, variants
from squadron.models.backbones import load_tokenizer
from squadron.provenance import read_digests
from squadron.registry import registration, versions
from squadron.reports import race_table
from squadron.scores import standings
from squadron.scores.contender_result import ContenderResult
from squadron.scores.race_result import RaceResult, WinnerVersion
from squadron.steps._backbones import fetched
from tests import tiny_models
from tests.results import make_race
from tests.stores import make_store

ROOT = Path(__file__).resolve().parents[2]
NAME = "squadron-tiny"
SERVED = Contender(
    "span",
    windows=Windows(max_length=48, stride=8, max_question_length=16),
    predict=Predict(max_answer_tokens=7, precision="bf16", batch_size=3),
)
UNPLANNED = read_digests("")
pytestmark = pytest.mark.slow
THRESHOLD = 1e9
"""No score is above it: whoever applies it answers nothing."""
SEEN = trained_on.Record(frozenset({"Glaciers"}))
"""What they all say that they were trained on; a title of the corpus."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two versions of a span model, an adapter, and a champion of the former; no run trained."""
    folder = tmp_path_factory.mktemp("store")
    backbone = tiny_models.write_backbone(folder / "backbone", max_position_embeddings=384)
    places = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, make_store(folder))

        def add(name, label, variant, source, threshold, rule="window"):
            """Registers a model; `source` is a backbone or, of a champion, a model folder."""
            contender = dataclasses.replace(SERVED, variant=variant, label=label, backbone=source)
            module = variants.load_variant(variant)
            model = module.build(source, module.Options())
            place = folder / label
            tokenizer = load_tokenizer(source)
            model_folder.write_model(
                place, model, tokenizer, contender, made_from=label, record=SEEN
            )
            places[label] = place
            race = tracking.Race("tiny", label)
            tracking.open_race(race, [label], {}, "sha")
            run_id = tracking.find_child(race, label)
            tags = {"licence": "mine"}
            answering = Answering(threshold, rule)
            return registration.register_model(name, run_id, place, answering, tags)

        first = add(NAME, "first", "span", backbone, THRESHOLD, "lowest_null")
        add(NAME, "second", "span", backbone, None)
        registry.promote(NAME, "1", registry.STAGING)
        add("adapter", "lora", "lora", backbone, None)
        with fetched(first.uri, UNPLANNED) as place:
            add("copy", "champion", "champion", place, THRESHOLD)
        yield SimpleNamespace(backbone=backbone, folder=folder, places=places, first=first)


@pytest.fixture(autouse=True)
def environment(monkeypatch, store):
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{store.folder}/mlflow.db")
    monkeypatch.setenv("SQUADRON_GIT_SHA", "4f2a9c1")


def experiment(*contenders, **more):
    raw = {
        "name": "tiny",
        "data": {"train": str(ROOT / "examples" / "corpus.json")},
        "contenders": list(contenders),
        **more,
    }
    return build_experiment(raw)


def resolve(*contenders, is_local=True, **more):
    checked = experiment(*contenders, **more)
    check_experiment(checked)
    return registered.resolve_models(checked, is_local=is_local)


def on(backbone, variant="span", **more):
    return {"variant": variant, "backbone": backbone, **more}


# Planning: backbones


def test_an_alias_becomes_the_version_that_it_points_at_now(store):
    by_alias, by_number = (resolve(on(f"models:/{NAME}{which}")) for which in ("@candidate", "/2"))
    assert by_alias == by_number
    assert by_alias.contenders[0].backbone == f"models:/{NAME}/2"
    assert plan_race(by_alias) == plan_race(by_number)
    other = plan_race(resolve(on(f"models:/{NAME}@staging")))
    assert (
        json.loads(other.arguments["contenders"][0]["settings"])["backbone"] == f"models:/{NAME}/1"
    )
    assert other.race != plan_race(by_alias).race
    for name in ("contenders", "entries"):
        assert other.arguments[name] != plan_race(by_alias).arguments[name]


def test_the_same_version_of_another_store_is_another_backbone(store, tmp_path, monkeypatch):
    ours = registered.fingerprint(store.first.uri)
    assert ours == registered.fingerprint(f"models:/{NAME}@staging")
    uri = make_store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    race = tracking.Race("tiny", "key")
    tracking.open_race(race, ["first"], {}, "sha")
    run_id = tracking.find_child(race, "first")
    registration.register_model(NAME, run_id, store.places["first"], Answering(), {})
    assert registered.fingerprint(store.first.uri) != ours
    assert registered.fingerprint("all-MiniLM-L6-v2") == ""


def test_a_backbone_changed_in_place_makes_another_race(store, tmp_path):
    folder = tmp_path / "backbone"
    shutil.copytree(store.backbone, folder)
    before = plan_race(experiment(on(str(folder))))
    assert plan_race(experiment(on(str(folder)))) == before
    (folder / "tokenizer_config.json").write_text("{}")
    after = plan_race(experiment(on(str(folder))))
    assert after.race != before.race
    for step in ("featurize", "train"):
        (old,), (new,) = before.arguments["contenders"], after.arguments["contenders"]
        assert new[step] != old[step]


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        (f"models:/{NAME}/9", "no version or alias '9'"),
        (f"models:/{NAME}@best", "it has the versions 1, 2"),
        ("models:/nobody/1", "there is no such model"),
        (f"models:/{NAME}", "a registered model is models:/NAME/VERSION"),
        ("models:/adapter/1", "of the variant 'lora', which holds no network of its own"),
    ],
)
def test_what_can_be_no_backbone_is_refused_in_planning(store, backbone, words):
    with pytest.raises(InputError) as caught:
        resolve(on(backbone))
    assert words in str(caught.value)


@pytest.mark.parametrize("variant", ["lora", "prompt_tuning"])
def test_an_adapter_on_a_registered_model_is_refused_before_anything_is_asked(
    store, variant, monkeypatch
):
    monkeypatch.setenv(tracking.URI_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(InputError, match=f"contenders -> 2 -> backbone: .* for {variant}, which"):
        check_experiment(experiment("span", on(f"models:/{NAME}/1", variant)))


# Planning: the champion


def test_the_champion_is_what_is_staged_and_races_as_it_serves(store):
    first = {"variant": "champion", "predict": {"n_best": 9, "batch_size": 5}}
    (champion,) = resolve(first).contenders
    assert champion.backbone == f"models:/{NAME}/1"
    assert champion.windows == SERVED.windows
    assert champion.predict == Predict(
        max_answer_tokens=7, precision="bf16", n_best=9, batch_size=5
    )
    assert champion.label == champion.variant == "champion"


def test_the_champion_is_the_candidate_where_nothing_is_staged(store):
    from_options = {"variant": "champion", "options": {"model": "copy"}}
    for given, more in ((from_options, {}), ("champion", {"register": {"model_name": "copy"}})):
        (champion,) = resolve(given, **more).contenders
        assert champion.backbone == "models:/copy/1"
        assert champion.windows == SERVED.windows


def test_the_champion_is_in_production_where_nothing_is_staged(store):
    client = MlflowClient(tracking.tracking_uri())
    client.set_registered_model_alias(NAME, "production", "2")
    client.set_registered_model_alias(NAME, "candidate", "1")
    try:
        assert registry.find_champion(NAME).version == "1"  # It is staged.
        client.delete_registered_model_alias(NAME, "staging")
        assert registry.find_champion(NAME).version == "2"
        with registry.open_model(NAME) as opened:
            assert opened.version.version == "2"
    finally:
        client.delete_registered_model_alias(NAME, "production")
        client.set_registered_model_alias(NAME, "staging", "1")
        client.set_registered_model_alias(NAME, "candidate", "2")


@pytest.mark.parametrize(
    ("model", "version", "expected"),
    [(NAME, "", "1"), (NAME, "candidate", "2"), ("copy", "", "1"), (f"models:/{NAME}/2", "", "2")],
)
def test_who_asks_gets_what_is_staged_unless_a_version_is_named(store, model, version, expected):
    with registry.open_model(model, version) as opened:
        assert opened.version is not None
        assert opened.version.version == expected


def test_without_a_version_the_others_race_alone(store, capsys):
    backbone = on(store.backbone)
    alone = resolve("champion", backbone, name="new")
    assert capsys.readouterr().err == (
        "champion: squadron-new has no registered version yet; it joins the next race\n"
    )
    assert alone == experiment(backbone, name="new")
    with pytest.raises(InputError) as caught:
        resolve("champion", name="new")
    assert str(caught.value) == (
        "champion: squadron-new has no registered version yet; it joins the next race; there is no "
        "other contender, so name one such as 'span'"
    )


def test_an_experiment_without_registered_models_asks_no_registry(store, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, "http://127.0.0.1:9")
    plain = experiment(on(store.backbone))
    assert registered.resolve_models(plain, is_local=True) == plain


def test_an_unreachable_registry_is_no_missing_champion(store, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(InputError, match="can't be used: it can't be reached"):
        resolve("champion", on(store.backbone))


def test_a_race_elsewhere_asks_only_a_registry_that_is_named(store, tmp_path, capsys, monkeypatch):
    file = tmp_path / "tiny.yaml"
    raw = {"data": {"train": str(ROOT / "examples" / "corpus.json")}}
    raw["contenders"] = ["champion", on("org/name")]
    file.write_text(json.dumps(raw))
    output = tmp_path / "pipeline.yaml"
    command = ["compile", str(file), "--image", "a/b:1", "--output", str(output)]
    assert main(command, build_pipeline) == 0
    assert f'"backbone": "models:/{NAME}/1"' in output.read_text().replace("\\", "")

    monkeypatch.delenv(tracking.URI_VARIABLE)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(command, build_pipeline) == 0
    assert (
        f"champion: MLFLOW_TRACKING_URI names no registry here; set it to let {NAME} race\n"
        in capsys.readouterr().err
    )
    assert "models:/" not in output.read_text()
    raw["contenders"] = [on(f"models:/{NAME}/1")]
    file.write_text(json.dumps(raw))
    assert main(command, build_pipeline) == 2
    assert "can't be looked up; set MLFLOW_TRACKING_URI to" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "mlflow.db").exists()


# The steps


def weights(model):
    return dict(model.named_parameters())


def test_a_registered_model_is_a_backbone_with_its_own_weights(store):
    original = variants.load_variant("span").load(store.places["first"], span_options())
    for uri in (f"models:/{NAME}/1", f"models:/{NAME}@staging", "models:/copy/1"):
        with fetched(uri, UNPLANNED) as place:
            model = variants.load_variant("span").build(place, span_options())
            assert not Path(place).is_relative_to(store.folder)
        assert not Path(place).exists()
        assert weights(model).keys() == weights(original).keys()
        for name, parameter in weights(model).items():
            assert torch.equal(parameter, weights(original)[name]), name
    with fetched(store.backbone, UNPLANNED) as place:
        assert place == store.backbone


def span_options():
    return variants.load_variant("span").Options()


def test_a_version_whose_files_were_altered_is_refused(store, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(store.places["second"], folder)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(versions, "fetch_model", lambda version, place: folder)
    with (
        pytest.raises(InputError, match=r"config\.json is missing or altered"),
        fetched(f"models:/{NAME}/2", UNPLANNED),
    ):
        pass


def test_a_champion_of_a_champion_keeps_the_files_of_the_first_alone(store, tmp_path):
    champion = variants.load_variant("champion")
    for backbone in (store.places["first"], store.places["champion"]):
        folder = tmp_path / backbone.name
        folder.mkdir()
        champion.build(str(backbone), champion.Options()).save(folder)
        names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert {name for name in names if name.count("/") > 1} == set()
        assert "champion/variant.json" in names
        for name in ("model.safetensors", "variant.json", "tokenizer.json"):
            kept = folder / "champion" / name
            assert kept.read_bytes() == (store.places["first"] / name).read_bytes()


def test_a_folder_that_no_race_registered_is_no_champion(store):
    champion = variants.load_variant("champion")
    with pytest.raises(InputError, match=r"has no variant\.json; only a model that a race has"):
        champion.build(store.backbone, champion.Options())


@pytest.fixture(scope="module")
def judged(store, tmp_path_factory):
    """The folder of a race of two, through the steps up to evaluate: label -> its folders."""
    root = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, f"sqlite:///{store.folder}/mlflow.db")
        raced = resolve(
            "champion",
            on(store.backbone, "pretrained", windows=dataclasses.asdict(SERVED.windows)),
            data={
                "train": str(ROOT / "examples" / "corpus.json"),
                "splits": {"tune": 1, "select": 1, "test": 1},
                "max_train_examples": 5,
            },
        )
        steps.ingest(data=to_json(raced.data), examples=root / "examples")
        planned = plan_race(raced).arguments
        steps.admit(contenders=planned["entries"], examples=root / "examples")
        for contender, given in zip(raced.contenders, planned["contenders"], strict=True):
            place = root / contender.label
            own = {"contender": to_json(contender)}
            folders = {"examples": root / "examples", "windows": place / "windows"}
            model, candidates = place / "model", place / "candidates"
            steps.featurize(entry=given["entry"], digests=given["featurize"], **folders)
            steps.train(**own, **folders, digests=given["train"], model=model)
            steps.predict(**own, windows=place / "windows", model=model, candidates=candidates)
            steps.evaluate(
                settings=to_json(raced.evaluate),
                **own,
                examples=root / "examples",
                candidates=candidates,
                evaluation=place / "evaluation",
                figures_file=place / "figures.json",
            )
    return root


def test_windows_of_the_champion_and_its_backbone_are_equal(judged):
    first, second = (judged / label / "windows" for label in ("champion", "pretrained"))
    names = sorted(path.name for path in first.iterdir())
    assert "train.arrow" in names
    for name in set(names) - {"windows.json"}:  # which has seconds
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_what_a_model_was_trained_on_is_handed_on_through_the_registry(judged):
    for label in ("champion", "pretrained"):
        record = trained_on.read_record(str(judged / label / "model"))
        # The backbone has a QA head and no record.
        assert record == (SEEN if label == "champion" else trained_on.UNKNOWN)


def test_unknown_training_data_is_said_in_metrics_champion_rows_and_the_table(judged, tmp_path):
    results = {
        label: read_record(ContenderResult, judged / label / "evaluation" / "metrics.json")
        for label in ("champion", "pretrained")
    }
    assert results["champion"].trained_on == "known"
    assert results["pretrained"].trained_on == "unknown"
    rows = map(standings.describe_standing, results.values())
    shown = race_table.render_table(make_race(*rows, refused="nobody asked for it"))
    assert "Trained on: unknown for pretrained. They may have seen these questions" in shown
    tags = [standings.version_tags(row, "passed")["trained_on"] for row in results.values()]
    assert tags == ["known", "unknown"]


def test_a_champion_that_was_trained_on_a_title_that_is_judged_is_refused(tmp_path, capsys):
    data = {"train": str(ROOT / "examples" / "corpus.json"), "seed": 19}
    raced = resolve("champion", data=data, register={"model_name": NAME})
    steps.ingest(data=to_json(raced.data), examples=tmp_path / "examples")
    with pytest.raises(SystemExit) as stop:
        steps.admit(
            contenders=plan_race(raced).arguments["entries"], examples=tmp_path / "examples"
        )
    assert stop.value.code == 2
    assert (
        f"The contender 'champion' stands on 'models:/{NAME}/1', which was trained on the title "
        "'Glaciers' of this race's select split; only titles that it has not seen may "
        "judge it. Keep the data, splits and seed that it was trained with, or leave the "
    ) in capsys.readouterr().err


def test_the_champion_answers_with_the_threshold_that_it_serves_with(judged):
    results = {
        label: read_record(ContenderResult, judged / label / "evaluation" / "metrics.json")
        for label in ("champion", "pretrained")
    }
    assert results["champion"].answering.null_threshold == THRESHOLD
    assert results["pretrained"].answering.null_threshold != THRESHOLD
    # And by the rule, whatever the race's own is.
    assert results["champion"].answering.answer_rule == "lowest_null"
    assert results["pretrained"].answering.answer_rule == "window"
    for split in ("tune", "select", "test"):
        assert results["champion"].splits[split].answered == 0
        found = read_table(
            judged / "champion" / "candidates" / f"{split}.parquet", schema="candidates/1"
        )
        assert found.num_rows


def register(judged, tmp_path, monkeypatch, **settings):
    """The step register on the champion alone; its EM is above the gate."""
    place = tmp_path / "evaluation"
    shutil.copytree(judged / "champion" / "evaluation", place)
    result = read_record(ContenderResult, place / "metrics.json")
    select = dataclasses.replace(result.select, exact_match=99.0)
    better = dataclasses.replace(result, splits={**result.splits, "select": select})
    write_record(place / "metrics.json", better)
    race = tracking.Race("tiny", tmp_path.name)
    tracking.open_race(race, ["champion"], {}, "sha")
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(race))
    steps.register(
        settings=json.dumps({"register": dataclasses.asdict(Register(**settings))}),
        models=[judged / "champion" / "model"],
        evaluations=[place],
        race_result=tmp_path / "race_result.json",
    )
    return read_record(RaceResult, tmp_path / "race_result.json").model


def test_a_champion_that_wins_stays_the_version_that_it_is(judged, tmp_path, monkeypatch):
    before = registry.find_version(NAME, "1").tags
    assert registry.find_version(NAME, "candidate").version == "2"
    try:
        kept = register(judged, tmp_path, monkeypatch, model_name=NAME)
        assert kept == WinnerVersion(
            name=NAME,
            version="1",
            alias="candidate",
            validation_status="passed",
            kept=True,
            previous="2",
            aliases={"candidate": "1", "staging": "1"},
        )
        now = registry.find_version(NAME, "candidate")
        assert now.version == "1"
        assert now.tags == {**before, "previous_candidate": "2"}
        assert registry.promote(NAME, "1", registry.CANDIDATE) == ""
        assert registry.find_version(NAME, "candidate").tags == now.tags
    finally:
        registry.promote(NAME, "2", registry.CANDIDATE)


def test_a_champion_that_wins_on_another_shared_context_becomes_a_new_version(
    judged, tmp_path, monkeypatch
):
    shutil.copytree(judged / "champion", tmp_path / "judged" / "champion")
    model = tmp_path / "judged" / "champion" / "model"
    (model / model_folder.CONTEXT).write_text("A bond is a loan.")
    about = model_folder.read_about(model)
    sha256 = hashlib.sha256(b"A bond is a loan.").hexdigest()
    files = {**about.files, model_folder.CONTEXT: sha256}
    write_record(model / "variant.json", dataclasses.replace(about, files=files))
    made = register(tmp_path / "judged", tmp_path, monkeypatch, model_name=NAME)
    try:
        assert (made.name, made.version, made.kept, made.previous) == (NAME, "3", False, "2")
        with registry.open_model(f"models:/{NAME}/3") as opened:
            assert opened.read_context() == "A bond is a loan."
        with registry.open_model(f"models:/{NAME}/1") as opened:
            assert opened.read_context() == ""
    finally:
        registry.promote(NAME, "2", registry.CANDIDATE)
        MlflowClient().delete_model_version(NAME, made.version)


def test_the_champion_of_another_experiment_is_registered_as_a_model_of_this_one(
    judged, tmp_path, store, monkeypatch
):
    made = register(judged, tmp_path, monkeypatch, model_name="ours")
    assert (made.name, made.version, made.kept) == ("ours", "1", False)
    version = registry.find_version("ours", "candidate")
    assert version.tags["backbone"] == f"models:/{NAME}/1"
    assert version.tags["licence"] == "mine"
    with fetched("models:/ours/1", UNPLANNED) as place:
        assert (Path(place) / "model.safetensors").read_bytes() == (
            store.places["first"] / "model.safetensors"
        ).read_bytes()
