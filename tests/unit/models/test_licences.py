"""Which licences of backbones are known, and which of them forbid commercial use."""

import pytest

from squadron.models import licences, minilm, starter


def test_the_shipped_backbones_have_known_licences_and_others_are_unknown():
    assert licences.find_licence(minilm.NAME) == "Apache-2.0"
    assert licences.find_licence(starter.NAME) == starter.LICENCE
    assert licences.find_licence("org/name") == "unknown; see org/name"
    assert not licences.is_unknown(licences.find_licence("scratch:words"))


@pytest.mark.parametrize(
    "backbone",
    [
        "SpanBERT/spanbert-base-cased",
        "spanbert/SpanBERT-large-cased",
        "SpanBERT/spanbert-base-cased@addd484",
        "/data/models/spanbert-base-cased/",
    ],
)
def test_spanbert_and_its_copies_forbid_commercial_use(backbone):
    licence = licences.find_licence(backbone)
    assert licence == "CC-BY-NC-4.0"
    assert licences.forbids_commercial_use(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "CC-BY-NC-4.0",
        "cc by nc 4.0",
        "cc-by-nc-sa-4.0",
        "CC BY-NC-ND",
        "CC_BY_NC_4.0",
        "Attribution-NonCommercial 4.0",
        "non-commercial use",
        "Research use only",
        "research-only",
        "Apache-2.0; it was trained on data under CC-BY-NC-4.0",
    ],
)
def test_a_licence_that_forbids_commercial_use_is_known_by_its_name(licence):
    assert licences.forbids_commercial_use(licence)


@pytest.mark.parametrize(
    "licence",
    ["Apache-2.0", "MIT", "CC-BY-SA-4.0", "CC0-1.0", "NCSA", "BSD-3-Clause", "", starter.LICENCE],
)
def test_other_licences_do_not(licence):
    assert not licences.forbids_commercial_use(licence)


@pytest.mark.parametrize("licence", ["", " ", "unknown", "Unknown; see org/name"])
def test_an_unknown_licence_is_told_from_a_stated_one(licence):
    assert licences.is_unknown(licence)
    assert not licences.is_unknown("MIT")
