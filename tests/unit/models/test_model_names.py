import pytest

from squadron.errors import InputError
from squadron.models import backbones
from squadron.models.model_names import ModelName, read_model_name


@pytest.mark.parametrize(
    ("backbone", "name", "version"),
    [
        ("models:/squadron-example/12", "squadron-example", "12"),
        ("models:/squadron-example@staging", "squadron-example", "staging"),
        ("models:/two words@v-1_a", "two words", "v-1_a"),
    ],
)
def test_a_version_or_an_alias_is_read(backbone, name, version):
    assert read_model_name(backbone) == ModelName(name, version)


@pytest.mark.parametrize(
    "backbone", ["all-MiniLM-L6-v2", "org/models", "./models:/x/1", "s3://models/x", "scratch"]
)
def test_other_backbones_are_no_registered_models(backbone):
    assert read_model_name(backbone) is None


@pytest.mark.parametrize(
    "rest",
    ["", "/", "//x/1", "/x", "/x/", "/x/0", "/x/01", "/x/latest", "/x@", "/x@1", "/x/1@a", "x/1",
     "/a'b/1", "/ /1", "/x/1/2", "/x/1\n"],
)  # fmt: skip
def test_what_only_begins_like_one_is_refused(rest):
    with pytest.raises(InputError) as caught:
        read_model_name("models:" + rest)
    assert str(caught.value) == (
        f"backbone: {'models:' + rest!r} is not allowed; a registered model is "
        "models:/NAME/VERSION or models:/NAME@ALIAS, such as models:/squadron-example@staging"
    )


def test_it_is_no_folder_before_a_step_has_fetched_it():
    for call in (backbones.locate, backbones.fingerprint, backbones.load_tokenizer):
        with pytest.raises(InputError, match="is a registered model, which a race's steps fetch"):
            call("models:/squadron-example/3")
