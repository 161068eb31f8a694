"""Drives the page of a real `squadron serve` in headless Chromium.

SQUADRON_PICTURES=docs/pictures makes the pictures of the page in docs/pictures again.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from squadron.config import Contender
from squadron.models import backbones, starter, variants
from squadron.models.model_folder import write_model
from tests.browser import ABSENT, CHROMIUM, CONTROL, SHIFT, Browser
from tests.serve_process import ServeProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason=ABSENT),
]

ROOT = Path(__file__).resolve().parents[2]
MOON = (ROOT / "examples" / "moon_landing.txt").read_text(encoding="utf-8")
QUESTION = "How much rock and soil did Armstrong and Aldrin collect?"
ANSWER = "21.5 kilograms"
UNANSWERABLE = "Who painted the ceiling of the chapel?"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("server"), "--model", "starter") as process:
        yield process


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> Iterator[ServeProcess]:
    """A server with a token and an index."""
    folder = tmp_path_factory.mktemp("guarded")
    index = [sys.executable, "-m", "squadron", "index", str(ROOT / "examples" / "handbook.pdf")]
    subprocess.run([*index, "--to", str(folder / "index")], check=True, capture_output=True)
    token = {"SQUADRON_SERVE_TOKEN": "sesame"}
    arguments = ["--model", "starter", "--index", str(folder / "index")]
    with ServeProcess(folder, *arguments, environment=token) as process:
        yield process


@pytest.fixture(scope="module")
def keeping(tmp_path_factory) -> Iterator[ServeProcess]:
    """A server of a model that keeps a text and has no calibration."""
    folder = tmp_path_factory.mktemp("keeping")
    contender = Contender("pretrained", backbone=starter.NAME)
    variant = variants.load_variant(contender.variant)
    model = variant.build(contender.backbone, variants.read_options(contender))
    tokenizer = backbones.load_tokenizer(contender.backbone)
    text = f"🌕 {MOON}"
    write_model(folder / "model", model, tokenizer, contender, made_from="x", context=text)
    with ServeProcess(folder, "--model", str(folder / "model")) as process:
        yield process


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser, server) -> Iterator[Browser]:
    """The page, just loaded. What the browser complains about during a test fails the test."""
    load(browser, server)
    yield browser
    assert browser.errors == []
    assert {url for url in browser.requests if not url.startswith(server.url)} == set()


def load(browser: Browser, server: ServeProcess, width: int = 1280, *, dark: bool = False) -> None:
    browser.open(server.url, width, dark=dark)
    browser.wait("!document.getElementById('about').innerText.startsWith('Asking')")


def fill(page: Browser, question: str, context: str | None = None) -> None:
    values = {"question": question} | ({} if context is None else {"context": context})
    for name, value in values.items():
        page.evaluate(
            f"(each => {{ each.value = {json.dumps(value)};"
            " each.dispatchEvent(new Event('input', {bubbles: true})) })"
            f"(document.getElementById({name!r}))"
        )


def ask(page: Browser, question: str, context: str | None = None) -> None:
    """Asks, and waits for the answer or for an error."""
    fill(page, question, context)
    page.evaluate("document.getElementById('ask').click()")
    wait_for_end(page)


def wait_for_end(page: Browser) -> None:
    page.wait("document.getElementById('ask').innerText === 'Ask'")


def is_in_view(page: Browser, selector: str, box: str) -> bool:
    """Says whether an element is inside the visible part of a box."""
    seen: bool = page.evaluate(
        f"(([a, b]) => a.top >= b.top && a.bottom <= b.bottom)(['{selector}', '{box}'].map("
        "each => document.querySelector(each).getBoundingClientRect()))"
    )
    return seen


def overflow(page: Browser) -> int:
    """Returns by how many pixels the page is wider than the window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wider


def test_the_answer_is_marked_in_its_place_and_gets_the_focus(page) -> None:
    ask(page, QUESTION, MOON)
    assert page.text("#verdict .headline") == ANSWER
    assert page.text("#marked") == ANSWER
    before = page.evaluate("document.getElementById('marked').previousSibling.data")
    assert MOON.startswith(before + ANSWER)
    assert page.evaluate("document.activeElement.id") == "verdict"
    sure = page.text("#verdict .sure")
    assert "% is the probability that this is exactly right (" in sure
    assert ANSWER in page.text("blockquote mark")
    assert "starter, in " in page.text("dl")


def test_the_place_of_the_answer_is_scrolled_into_view(page) -> None:
    ask(page, QUESTION, "The wind blew from the west all day.\n" * 60 + MOON)
    assert page.text("#marked") == ANSWER
    page.wait("document.querySelector('.text').scrollTop > 500")
    page.evaluate("new Promise(done => setTimeout(done, 700))")  # the smooth scrolling
    assert is_in_view(page, "#marked", ".text")


def test_characters_of_two_units_move_no_mark(page) -> None:
    page.evaluate("document.getElementById('top_k').value = 20")
    ask(page, QUESTION, "🚀🌕 𝔐𝔬𝔬𝔫 👩\u200d🚀 e\u0301! " + MOON)
    assert page.text("#marked") == ANSWER
    assert page.text("blockquote mark") == ANSWER
    # Other answers that do not overlap a better one are marked and lead to their mark.
    pairs = page.evaluate(
        "[...document.querySelectorAll('.others a')].map(a =>"
        " [a.innerText, document.querySelector(a.getAttribute('href')).firstChild.data])"
    )
    assert pairs
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


TEXTS = ["", "plain", "🚀 at 10", "a🚀b🌕c", "👩\u200d🚀e\u0301", "\ud83d alone"]


@pytest.mark.parametrize("text", TEXTS)
def test_offsets_are_those_of_the_server(page, text) -> None:
    starts = [text[:number] for number in range(len(text) + 1)]
    units = [len(start.encode("utf-16-le", "surrogatepass")) // 2 for start in starts]
    found = page.evaluate(
        "import('/page/words.js').then(({countPoints, toUnits}) => (text =>"
        " Array.from({length: countPoints(text) + 1}, (_, place) => toUnits(text, place)))"
        f"({json.dumps(text)}))"
    )
    assert found == units


def test_a_question_without_an_answer_shows_what_was_withheld(page) -> None:
    ask(page, UNANSWERABLE, MOON)
    assert page.text("#verdict .headline") == "No answer"
    assert "Its best guess, which it withholds: " in page.text("#verdict")
    assert "% is the probability that this is exactly right (" in page.text("#verdict")
    assert page.evaluate("document.querySelector('mark#marked')") is None


def test_an_explanation_shows_each_part_and_marks_the_guess(page) -> None:
    page.evaluate("document.getElementById('explain').checked = true")
    ask(page, UNANSWERABLE, MOON)
    assert page.text("mark#marked") in page.text("#verdict")
    assert "the guess" in page.text("#details ol:last-of-type")
    ask(page, QUESTION, MOON)
    assert f"“{ANSWER}” the answer" in page.text("#details ol:last-of-type")


def test_text_is_shown_as_text_and_never_as_html(page) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    ask(page, f"{QUESTION} {attack}", MOON + attack)
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
    assert attack in page.text(".text")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("question", " ", "Write a question."),
        ("context", "", "Paste a text, or open a text file."),
        ("top_k", "21", "Write a whole number from 1 to 20."),
        ("threshold", "high", "Write a number such as 2.5 or -1, or leave it empty."),
    ],
)
def test_a_wrong_field_is_named_in_words_beside_it(page, name, value, said) -> None:
    fill(page, QUESTION, MOON)
    page.evaluate(f"document.getElementById({name!r}).value = {json.dumps(value)}")
    page.evaluate("document.getElementById('ask').click()")
    assert page.text(f"#{name}-error") == said
    assert page.evaluate("document.activeElement.id") == name
    assert page.evaluate("document.activeElement.ariaInvalid") == "true"
    assert page.evaluate("document.activeElement.checkVisibility()")
    page.type("1")
    assert page.text(f"#{name}-error") == ""


def test_a_threshold_decides_what_is_withheld(page) -> None:
    for threshold, said in (("1000", "No answer"), ("−1000", ANSWER), ("", ANSWER)):
        page.evaluate(f"document.getElementById('threshold').value = '{threshold}'")
        ask(page, QUESTION, MOON)
        assert page.text("#verdict .headline") == said


def test_a_text_file_is_read_in_the_browser(page, tmp_path) -> None:
    for name, content in (("latin.txt", "é".encode("latin-1")), ("binary.pdf", b"%PDF-1.7\n\0")):
        (tmp_path / name).write_bytes(content)
        page.choose_file("#file", tmp_path / name)
        page.wait(f"document.getElementById('file-error').innerText.startsWith('{name} is not')")
        assert "is not a text in UTF-8. " in page.text("#file-error")
        assert page.evaluate("document.getElementById('context').value") == ""
    text = tmp_path / "text.txt"
    text.write_text(MOON, encoding="utf-8")
    page.choose_file("#file", text)
    page.wait("document.getElementById('context').value")
    assert page.evaluate("document.getElementById('context').value") == MOON
    assert page.text("#file-error") == ""
    assert page.text("#length") == f"{len(MOON):,} characters"
    ask(page, QUESTION)
    assert page.text("#marked") == ANSWER


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (250_000, "200,000"),  # the server's answer is 422
        (1_100_000, "The text is too long. It has 1,10"),  # it would be 413
    ],
)
def test_a_text_that_is_too_long_is_refused_in_words(page, length, said) -> None:
    ask(page, QUESTION, "x" * length)
    assert said in page.text("#context-error")
    assert page.evaluate("document.activeElement.id") == "context"
    assert page.evaluate("document.getElementById('context').ariaInvalid") == "true"
    page.errors = [each for each in page.errors if "status of 422" not in each]


def test_the_answer_413_is_shown_beside_the_text(page) -> None:
    read = "import('/page/words.js').then(words => words.readError(413, {message: 'Too much'}))"
    assert page.evaluate(read) == {"field": "context", "text": "Too much."}


def test_the_model_and_its_figures_are_named(page) -> None:
    said = page.text("#about")
    assert said.startswith("starter (variant pretrained) answers. Evaluated on the dev set of SQuA")
    assert re.search(r"EM \d\d\.\d\d \(\d\d\.\d–\d\d\.\d\), F1 \d\d\.\d\d ", said)


def test_a_server_with_a_token_and_an_index(browser, guarded) -> None:
    load(browser, guarded)
    assert browser.text("#about").startswith("This server answers only with a token.")
    ask(browser, "How many people live at the station?", MOON)
    assert browser.text("#token-error") == "Write the token of this server."
    assert browser.evaluate("document.activeElement.id") == "token"
    browser.type("wrong")
    ask(browser, "How many people live at the station?", MOON)
    assert browser.text("#token-error") == "The server does not accept this token."
    browser.evaluate("document.getElementById('token').select()")
    browser.type("sesame")
    browser.press("Tab")
    browser.wait("document.getElementById('about').innerText.startsWith('starter')")
    assert browser.evaluate("document.getElementById('sources').checkVisibility()")
    browser.evaluate("document.querySelector('[value=index]').click()")
    assert not browser.evaluate("document.getElementById('context').checkVisibility()")
    browser.evaluate("document.getElementById('explain').checked = true")
    ask(browser, "What does the ceilometer measure?")
    assert browser.text("dl").startswith("Source\nhandbook.pdf, page ")
    if browser.evaluate("document.getElementById('verdict').className") == "answered":
        assert browser.text("#verdict .headline") in browser.text("blockquote mark")
    chosen = browser.evaluate("document.querySelectorAll('.others strong').length")
    assert (chosen, browser.evaluate("document.querySelectorAll('.text').length")) == (1, 0)
    refused = [each for each in browser.errors if "status of 401" not in each]
    assert refused == []


def test_a_model_that_keeps_a_text_is_asked_about_it(browser, keeping) -> None:
    load(browser, keeping)
    assert browser.evaluate("document.querySelector('[name=source]:checked').value") == "kept"
    assert not browser.evaluate("document.getElementById('context').checkVisibility()")
    assert not browser.evaluate("document.getElementById('source-index').checkVisibility()")
    ask(browser, QUESTION)
    assert browser.text("#verdict .headline") == ANSWER
    assert browser.text("blockquote mark") == ANSWER
    assert "This model has no calibration. The score is " in browser.text("#verdict")
    assert browser.errors == []


def test_a_server_that_is_gone_is_said_in_words(page) -> None:
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.send("Network.emulateNetworkConditions", **offline)
    ask(page, QUESTION, MOON)
    said = "The server does not answer. Check that it runs, and ask again."
    assert page.text("#form-error") == said
    page.send("Network.emulateNetworkConditions", **{**offline, "offline": False})
    ask(page, QUESTION, MOON)
    assert page.text("#form-error") == ""
    assert page.text("#marked") == ANSWER
    page.errors = [each for each in page.errors if "ERR_INTERNET_DISCONNECTED" not in each]


def test_the_example_has_an_answer(page) -> None:
    page.evaluate("document.getElementById('example').click()")
    assert page.evaluate("document.activeElement.id") == "question"
    page.press("Enter")
    page.wait("document.activeElement.id === 'verdict'")
    assert page.text("#marked") == ANSWER


def test_the_figures_of_a_registered_version_are_those_of_select(page) -> None:
    figures = {
        "test_exact_match": {"value": 1, "low": None, "high": None},
        "select_exact_match": {"value": 57.5, "low": 47.7, "high": 66.8},
        "select_f1": {"value": 61.474, "low": None, "high": None},
    }
    said = page.evaluate(
        "import('/page/words.js').then(words => [words.describeFigures({}),"
        f" words.describeFigures({json.dumps(figures)})])"
    )
    assert said == [
        "",
        "Evaluated on the select split of its race: EM 57.50 (47.7–66.8), F1 61.47.",
    ]


def test_the_keyboard_alone_is_enough(page) -> None:
    stops = []
    for _ in range(20):
        page.press("Tab")
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", stops
        if stops[-1] == "example":
            break
    assert stops == ["skip", "question", "context", "file", "", "ask", "example"]
    page.press("Tab", SHIFT)
    page.press("Tab", SHIFT)
    page.press(" ")
    assert page.evaluate("document.getElementById('options').open")
    page.evaluate("document.activeElement.blur()")
    # The page before it was loaded again must not be taken for the new one.
    page.evaluate("window.isOld = true")
    assert page.evaluate("location.reload()") is None
    page.wait("!window.isOld && document.readyState == 'complete'")
    page.press("Tab")
    page.press("Enter")  # the link that skips the head of the page
    page.wait("document.activeElement?.id === 'question'")
    page.type(QUESTION)
    page.press("Tab")
    page.type(MOON)
    page.press("Enter", CONTROL)
    page.wait("document.activeElement.id === 'verdict'")
    assert page.text("#marked") == ANSWER
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "text"


def test_enter_ends_a_question_but_not_a_text(page) -> None:
    fill(page, "", MOON)
    page.evaluate("document.getElementById('context').focus()")
    page.press("Enter")
    assert page.evaluate("document.getElementById('context').value").count("\n") == (
        MOON.count("\n") + 1
    )
    page.evaluate("document.getElementById('question').focus()")
    page.type(QUESTION)
    page.press("Enter")
    page.wait("document.activeElement.id === 'verdict'")
    assert page.text("#marked") == ANSWER


def test_a_screen_reader_hears_what_happens(page) -> None:
    assert page.evaluate("document.documentElement.lang") == "en"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, textarea, button')].filter(each =>"
        " !each.labels?.length && !each.innerText && !each.ariaLabel).map(each => each.outerHTML)"
    )
    assert unnamed == []
    landmarks = "['header', 'main', 'footer', 'h1'].map(t => document.querySelectorAll(t).length)"
    assert page.evaluate(landmarks) == [1, 1, 1, 1]
    dangling = page.evaluate(
        "[...document.querySelectorAll('[aria-describedby], [aria-labelledby]')].flatMap(each =>"
        " [each.getAttribute('aria-describedby'), each.getAttribute('aria-labelledby')]"
        ".filter(Boolean).join(' ').split(' ')).filter(id => !document.getElementById(id))"
    )
    assert dangling == []
    assert page.evaluate("document.getElementById('verdict').role") == "status"
    roles = "[...document.querySelectorAll('.error')].map(each => each.role)"
    assert set(page.evaluate(roles)) == {"alert"}
    ask(page, QUESTION, MOON)
    tree = page.send("Accessibility.getFullAXTree")["nodes"]
    named = {(n["role"]["value"], n.get("name", {}).get("value")) for n in tree if "role" in n}
    assert ("region", "Answer") in named
    assert ("form", "Ask a question") in named
    assert ("region", "The text, with the answer marked") in named


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(page, server, dark) -> None:
    load(page, server, dark=dark)
    page.evaluate("document.getElementById('explain').checked = true")
    for question in (QUESTION, UNANSWERABLE):
        ask(page, question, MOON)
        page.evaluate("document.getElementById('options').open = true")
        page.evaluate("document.getElementById('form-error').innerText = 'An error.'")
        assert page.evaluate("getComputedStyle(document.body).colorScheme") != "light"
        found = page.evaluate(CONTRASTS)
        assert len(found) > 20
        assert [each for each in found if each[0] < 4.5] == []


CONTRASTS = """
(() => {
  const read = (value) => value.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = read(getComputedStyle(each).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const owner = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !owner.checkVisibility()) continue;
    const [a, b] = [read(getComputedStyle(owner).color), ground(owner)].map(light);
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), texts.currentNode.data]);
  }
  return found;
})()
"""


def test_a_narrow_window_needs_no_scrolling_to_the_side(page, server) -> None:
    load(page, server, 400)
    page.evaluate("document.getElementById('options').open = true")
    page.evaluate("document.getElementById('explain').checked = true")
    assert overflow(page) == 0
    long = "Donaudampfschifffahrt" * 20
    ask(page, f"{QUESTION} {long}?", f"{MOON} {long}")
    assert page.evaluate("document.activeElement.id") == "verdict"
    assert overflow(page) == 0
    ask(page, "", "")
    assert page.text("#question-error")
    assert overflow(page) == 0


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pictures(page, server, tmp_path, width, dark) -> None:
    load(page, server, width, dark=dark)
    ask(page, QUESTION, MOON)
    page.evaluate("new Promise(done => setTimeout(done, 700))")  # the smooth scrolling
    folder = Path(os.environ.get("SQUADRON_PICTURES", tmp_path))
    picture = folder / f"serve-{width}-{'dark' if dark else 'light'}.png"
    page.take_picture(picture)
    assert picture.stat().st_size < 200_000
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")
