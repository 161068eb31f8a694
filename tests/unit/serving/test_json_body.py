"""What JSON allows but no request needs is refused with one sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.serving.errors import RequestError
from squadron.serving.json_body import parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)

REFUSED = [
    (b"", "The body is empty; send a JSON object"),
    (b'{"a": 1', "not valid JSON: Expecting ',' delimiter at line 1, column 8"),
    (b'{"a": 1} x', "not valid JSON: Extra data"),
    (b"\xff\xfe{\x00}\x00", "The body is not UTF-8 (byte 0 is wrong)"),
    ('{"a": "é"}'.encode("latin-1"), "The body is not UTF-8 (byte 7 is wrong)"),
    (b"\xef\xbb\xbf{}", "not valid JSON: Expecting value at line 1"),
    (b'{"a": NaN}', "The body has NaN, which is no JSON"),
    (b'{"a": -Infinity}', "The body has -Infinity, which is no JSON"),
    (b'{"a": 1e999}', "The body has the number '1e999', which is too large"),
    (b'{"a": ' + b"9" * 5000 + b"}", "The body has a number with 5000 digits; at most 40"),
    (b'{"a": 1, "b": {"c": 1, "c": 2}}', "The body has the key 'c' twice in one object"),
    (rb'{"a": "\ud800"}', r"(a lone surrogate) in '\ud800'"),
    (rb'{"a": [{"\udc00": 1}]}', r"(a lone surrogate) in '\udc00'"),
    (b"[" * 17 + b"]" * 17, "nested too deeply; at most 16 lists and objects in each other"),
    (b"[" * 500_000, "nested too deeply"),
    (b'{"a":' * 100_000, "nested too deeply"),
    (b'"' + b"\\" * 99_999 + b"[" * 40 + b'"', "not valid JSON"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=range(len(REFUSED)))
def test_it_is_refused(body, message):
    with pytest.raises(RequestError) as caught:
        parse_json(body, 16)
    assert caught.value.status == 400
    assert message in caught.value.message
    assert len(caught.value.message) < 200


@given(VALUES)
def test_every_other_value_is_read_as_it_is(value):
    assert parse_json(json.dumps(value).encode(), 100) == value


def test_brackets_in_texts_do_not_count_as_depth():
    text = '"[[[{{{\\"[[[[' * 9
    assert parse_json(json.dumps([text]).encode(), 1) == [text]
