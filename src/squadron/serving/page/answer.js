// Shows one answer. All text of the model and of the person goes in as text, never as HTML.

import { describeFigures, likelihood, logOdds, onOneLine, percent, toUnits } from "./words.js";

/** Makes an element with attributes and children; a string becomes text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Returns a row of a list of facts: what it is, and what is known. */
function fact(title, ...children) {
  return make("div", {}, make("dt", {}, title), make("dd", {}, ...children));
}

/** Returns the name of a model with its version, if it has one. */
function nameModel(name, version) {
  return version ? `${name} version ${version}` : name;
}

/** Returns what is said of the served model above the form. */
export function describeModel(about) {
  const facts = [about.alias, about.variant && `variant ${about.variant}`].filter(Boolean);
  const more = facts.length ? ` (${facts.join(", ")})` : "";
  const name = make("strong", {}, nameModel(about.model, about.version));
  return [name, `${more} answers. ${describeFigures(about.figures ?? {})}`];
}

/** Returns a probability as figure, word and bar. */
function describeProbability(probability) {
  const fill = make("i");
  fill.style.width = `${100 * probability}%`;
  const meaning = ` is the probability that this is exactly right (${likelihood(probability)}).`;
  return [
    make("p", { class: "sure" }, make("b", {}, percent(probability)), meaning),
    make("span", { class: "bar", "aria-hidden": "true" }, fill),
  ];
}

/** Returns where an answer of the index stands: document, page and section. */
function describePlace(place) {
  if (!place?.document) return "";
  const parts = [place.document];
  if (place.page) parts.push(`page ${place.page}`);
  if (place.section) parts.push(`“${place.section}”`);
  return parts.join(", ");
}

/**
 * Returns a text with marks, as a list of strings and elements.
 * Marks are {start, end, element}: UTF-16 units of the text, and the element that marks them. One
 * that overlaps an earlier one in the list is left out.
 */
function markText(text, marks) {
  const chosen = [];
  for (const mark of marks) {
    const isFree = chosen.every((other) => mark.end <= other.start || mark.start >= other.end);
    if (mark.start < mark.end && isFree) chosen.push(mark);
  }
  chosen.sort((one, other) => one.start - other.start);
  const parts = [];
  let at = 0;
  for (const { start, end, element } of chosen) {
    element.prepend(text.slice(start, end));
    parts.push(text.slice(at, start), element);
    at = end;
  }
  parts.push(text.slice(at));
  return parts;
}

/** Returns the mark of a span that the server counted in code points of a text. */
function toMark(text, span, element) {
  return { start: toUnits(text, span.start_char), end: toUnits(text, span.end_char), element };
}

/** Returns the text that was asked about, with the answer and the alternatives marked. */
function showText(text, answer, others) {
  const marks = [];
  if (answer.answered) marks.push(toMark(text, answer, make("mark", { id: "marked" })));
  const guess = answer.windows?.find((window) => isChosen(window, answer));
  if (!answer.answered && guess) {
    const span = { start_char: guess.text_start_char, end_char: guess.text_end_char };
    marks.push(toMark(text, span, make("mark", { id: "marked", class: "guess" })));
  }
  others.forEach((other, place) => {
    const number = make("sup", {}, `(${place + 1})`);
    const element = make("mark", { id: `other-${place + 1}`, class: "other" }, number);
    marks.push(toMark(text, other, element));
  });
  const label = "The text, with the answer marked";
  const attributes = { class: "text", role: "region", tabindex: "0", "aria-label": label };
  return make("div", attributes, ...markText(text, marks));
}

/** Returns the sentence that holds the answer, with the answer marked. */
function showEvidence(answer) {
  const { text, start_char: start } = answer.evidence;
  const span = { start_char: answer.start_char - start, end_char: answer.end_char - start };
  const mark = toMark(text, span, make("mark"));
  const isThere = span.start_char >= 0 && text.slice(mark.start, mark.end) === answer.text;
  return make("blockquote", {}, ...markText(text, isThere ? [mark] : []));
}

/**
 * Returns the other answers as a list; each leads to its mark in the text, if it has one.
 * text: the element of the text; null if none is shown.
 */
function showAlternatives(others, text, title) {
  const items = others.map((other, place) => {
    const id = `other-${place + 1}`;
    const isMarked = text?.querySelector(`#${id}`);
    const words = onOneLine(other.text);
    const name = isMarked ? make("a", { href: `#${id}` }, words) : words;
    const where = describePlace(other.citation);
    const sure = typeof other.probability === "number" ? percent(other.probability) : null;
    const figures = [sure ?? `score ${logOdds(other.score)}`, where].filter(Boolean).join(", ");
    return make("li", {}, name, make("span", { class: "note" }, ` ${figures}`));
  });
  const about =
    "The figure is that of a first answer with the same score; a later answer is right less often.";
  return [
    make("h3", {}, title),
    make("ol", { class: "others" }, ...items),
    make("p", { class: "note" }, about),
  ];
}

/** Says whether a window gave the answer, or the guess; each context has a best window. */
function isChosen(window, answer) {
  return Boolean(window.is_best && window.text) && window.context === answer.context;
}

/** Returns what a window gave, as an item of a list. */
function showWindow(window, answer, hasPassages) {
  const isBest = isChosen(window, answer);
  const found = window.text ? `“${onOneLine(window.text)}”` : "no span";
  const best = isBest ? make("strong", {}, answer.answered ? " the answer" : " the guess") : null;
  const place = `characters ${window.start_char} to ${window.end_char}`;
  const facts = [hasPassages ? `passage ${window.context + 1}, ${place}` : place];
  if (typeof window.probability === "number") facts.push(percent(window.probability));
  facts.push(`score ${logOdds(window.score)}`);
  if (typeof window.null_score === "number") {
    facts.push(`“no answer” has ${logOdds(window.null_score)}`);
  }
  const words = (window.attended ?? []).map((w) => `${onOneLine(w.text)} ${percent(w.weight)}`);
  if (isBest && words.length) facts.push(`attends to ${words.join(", ")}`);
  return make("li", {}, found, best, make("span", { class: "note" }, ` ${facts.join(", ")}`));
}

/** Returns what each window of the text, or of the passages of the index, gave. */
function showWindows(answer, hasPassages) {
  const items = answer.windows.map((window) => showWindow(window, answer, hasPassages));
  const title = `What each ${hasPassages ? "passage" : "part of the text"} gave`;
  return [make("h3", {}, title), make("ol", { class: "others" }, ...items)];
}

/** Returns the answer, or that there is none, with the probability. */
function showVerdict(answer) {
  const sure = typeof answer.probability === "number";
  const unsure = make(
    "p",
    { class: "note" },
    `This model has no calibration. The score is ${logOdds(answer.score)} (log-odds).`,
  );
  const probability = sure ? describeProbability(answer.probability) : [unsure];
  if (answer.answered) {
    return [make("p", { class: "headline" }, onOneLine(answer.text)), ...probability];
  }
  const parts = [
    make("p", { class: "headline" }, "No answer"),
    make("p", {}, "The model finds no answer to this question there."),
  ];
  if (answer.best_text) {
    const guess = make("strong", {}, `“${onOneLine(answer.best_text)}”`);
    parts.push(make("p", {}, "Its best guess, which it withholds: ", guess), ...probability);
  }
  return parts;
}

/** Returns the facts about an answer: source, evidence, kind of reasoning, score, model. */
function showFacts(answer, model, milliseconds) {
  const facts = [];
  const place = describePlace(answer.evidence);
  if (place) facts.push(fact("Source", place));
  if (answer.evidence) facts.push(fact("Evidence", showEvidence(answer)));
  if (answer.reasoning_type) {
    const sure = answer.reasoning_probability;
    const says = typeof sure === "number" ? `, says the model (${percent(sure)})` : "";
    facts.push(fact("Kind of reasoning", `${answer.reasoning_type}${says}`));
  }
  facts.push(fact("Score", `${logOdds(answer.score)} (log-odds against “no answer here”)`));
  const seconds = (milliseconds / 1000).toFixed(2);
  facts.push(fact("Answered by", `${nameModel(model.name, model.version)}, in ${seconds} s`));
  return make("dl", {}, ...facts);
}

/**
 * Shows an answer.
 * asked: the body of the request. answered: that of the response. milliseconds: how long it took.
 * verdict: the element for the answer itself. details: the element for everything else.
 */
export function showAnswer(asked, answered, milliseconds, verdict, details) {
  const { answer, model } = answered;
  const others = (answer.alternatives ?? []).filter((other) => other.text);
  const text = typeof asked.context === "string" ? showText(asked.context, answer, others) : null;
  const title = answer.answered ? "Other answers" : "Other guesses";
  verdict.className = answer.answered ? "answered" : "withheld";
  verdict.replaceChildren(
    make("p", { class: "note" }, asked.question),
    ...showVerdict(answer),
  );
  details.replaceChildren(
    ...(text ? [text] : []),
    ...(others.length ? showAlternatives(others, text, title) : []),
    showFacts(answer, model, milliseconds),
    ...(answer.windows?.length ? showWindows(answer, Boolean(asked.index)) : []),
  );
  const mark = document.getElementById("marked");
  const box = mark?.closest(".text");
  // This moves the text in its box and leaves the page where it is.
  if (box) box.scrollTop = mark.offsetTop - box.clientHeight / 2;
}
