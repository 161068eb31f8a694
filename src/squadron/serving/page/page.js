// The page at `/`: asks the server, and shows errors beside the fields. answer.js shows the answer.

import { describeModel, showAnswer } from "./answer.js";
import { count, countPoints, readError } from "./words.js";

const find = (id) => document.getElementById(id);
const form = find("form");
const EXAMPLE = {
  question: "How much rock and soil did Armstrong and Aldrin collect?",
  context:
    "In July 1969 Neil Armstrong and Buzz Aldrin landed on the Moon 🌕, while Michael Collins " +
    "stayed in orbit. They spent two and a half hours outside, set up a flag and several " +
    "instruments, and collected 21.5 kilograms of rock and soil. Apollo 17, the last landing, " +
    "brought back about 110 kilograms.",
};

/** What GET /about said last; null as long as it has said nothing. */
let about = null;
/** Ends the request that runs; null if none runs. */
let running = null;

/** Returns the headers of a request, with the token if one was given. */
function headers() {
  const token = find("token").value.trim();
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Asks which model answers, and shows it above the form. */
async function loadAbout() {
  let response;
  try {
    response = await fetch("about", { headers: headers() });
  } catch {
    find("about").textContent = "The server does not answer. Load the page again when it does.";
    return;
  }
  const body = await response.json().catch(() => null);
  if (response.status === 401) {
    needToken();
    find("about").textContent = "This server answers only with a token. Write it into the form.";
    return;
  }
  if (!response.ok || body === null) {
    find("about").textContent = readError(response.status, body).text;
    return;
  }
  const isFirst = about === null;
  about = body;
  find("about").replaceChildren(...describeModel(about));
  if (isFirst) offerSources();
}

/** Shows the field of the token; the other pages of the server would refuse a link without it. */
function needToken() {
  find("token-field").hidden = false;
  find("routes").hidden = true;
}

/** Lets the person choose where to look, if the server has more than the text of the page. */
function offerSources() {
  find("source-index").hidden = !about.has_index;
  find("source-kept").hidden = !about.keeps_context;
  find("sources").hidden = !about.has_index && !about.keeps_context;
  const first = about.keeps_context ? "kept" : about.has_index ? "index" : "text";
  if (!find("context").value) form.elements.source.value = first;
  showSource();
}

/** Shows the text field only if the text is where the answer is looked for. */
function showSource() {
  find("text-field").hidden = form.elements.source.value !== "text";
}

/** Says how long the text is, as the server counts characters. */
function showLength() {
  const length = countPoints(find("context").value);
  find("length").textContent = length ? count(length, "character", "characters") : "";
}

/** Shows an error beside its field, or below the form if it has none; "" takes it away. */
function showError(field, text) {
  const place = find(`${field}-error`) ? field : "form";
  find(`${place}-error`).textContent = text;
  const control = find(place);
  if (place === "form" || !control) return;
  if (text) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
}

/** Takes all errors away. */
function clearErrors() {
  for (const each of form.querySelectorAll(".error")) showError(each.id.replace(/-error$/u, ""), "");
}

/** Moves the focus to a field with an error, and opens what hides it. */
function focusField(field) {
  const control = find(field);
  if (!control || control === form) return;
  for (let part = control; part !== form; part = part.parentElement) {
    if (part instanceof HTMLDetailsElement) part.open = true;
    if (part.classList.contains("field")) part.hidden = false;
  }
  control.focus();
}

/** Returns what the fields say as the body of a request, and the errors of fields. */
function readFields() {
  const errors = [];
  const body = { question: find("question").value.trim() };
  if (!body.question) errors.push(["question", "Write a question."]);
  const source = form.elements.source.value;
  if (source === "index") body.index = true;
  if (source === "text") {
    body.context = find("context").value;
    if (!body.context.trim()) errors.push(["context", "Paste a text, or open a text file."]);
  }
  const answers = Number(find("top_k").value);
  if (Number.isInteger(answers) && answers >= 1 && answers <= 20) body.top_k = answers;
  else errors.push(["top_k", "Write a whole number from 1 to 20."]);
  const written = find("threshold").value.trim().replace("−", "-");
  if (written !== "") {
    body.threshold = Number(written);
    if (!Number.isFinite(body.threshold)) {
      errors.push(["threshold", "Write a number such as 2.5 or -1, or leave it empty."]);
    }
  }
  if (find("explain").checked) body.explain = true;
  return { body, errors };
}

/** Shows errors of fields and moves the focus to the first of them. */
function showErrors(errors) {
  for (const [field, text] of errors) showError(field, text);
  focusField(errors[0][0]);
}

/** Asks the question of the form and shows the answer. */
async function ask() {
  clearErrors();
  const { body, errors } = readFields();
  if (errors.length) {
    showErrors(errors);
    return;
  }
  // Half of a surrogate pair is no text; it becomes the replacement character.
  const content = new TextEncoder().encode(
    JSON.stringify(body, (_, value) => value?.toWellFormed?.() ?? value),
  );
  const most = about?.limits?.max_body_bytes ?? Infinity;
  if (content.length > most) {
    showErrors([["context", `The text is too long. ${sizes(content.length, most)}`]]);
    return;
  }
  running?.abort();
  const controller = new AbortController();
  running = controller;
  find("ask").textContent = "Asking …";
  find("result").setAttribute("aria-busy", "true");
  const started = performance.now();
  try {
    const response = await fetch("answer", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers() },
      body: content,
      signal: controller.signal,
    });
    const answered = await response.json().catch(() => null);
    if (response.ok && answered) await show(body, answered, performance.now() - started);
    else refuse(response.status, answered);
  } catch (error) {
    if (error.name === "AbortError") return;
    showError("form", "The server does not answer. Check that it runs, and ask again.");
  } finally {
    if (running === controller) {
      running = null;
      find("ask").textContent = "Ask";
      find("result").removeAttribute("aria-busy");
    }
  }
}

/** Shows an answer and moves the focus to it. */
async function show(asked, answered, milliseconds) {
  showAnswer(asked, answered, milliseconds, find("verdict"), find("details"));
  find("verdict").focus();
  const { name, version } = answered.model;
  // The alias may have moved to another version since the page was loaded.
  if (about?.model !== name || String(about?.version) !== String(version)) await loadAbout();
}

/** Shows why the server gave no answer. */
function refuse(status, body) {
  const error = readError(status, body);
  if (status === 401) {
    const isGiven = find("token").value.trim() !== "";
    error.field = "token";
    error.text = isGiven ? "The server does not accept this token." : "Write the token of this server.";
    needToken();
  }
  showError(error.field, error.text);
  focusField(error.field);
}

/** Returns how many bytes there are, and how many the server takes. */
function sizes(bytes, most) {
  const allowed = count(most, "byte", "bytes");
  return `It has ${count(bytes, "byte", "bytes")}, and the server takes at most ${allowed}.`;
}

/** Reads a text file into the text field. */
async function openFile() {
  const [file] = find("file").files;
  showError("file", "");
  if (!file) return;
  const most = about?.limits?.max_body_bytes ?? Infinity;
  if (file.size > most) {
    showError("file", `${file.name} is too long. ${sizes(file.size, most)}`);
    return;
  }
  try {
    const bytes = await file.arrayBuffer();
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (text.includes("\0")) throw new TypeError("not a text");
    find("context").value = text;
    showError("context", "");
    showLength();
  } catch {
    showError("file", `${file.name} is not a text in UTF-8. Open a text file, or paste the text.`);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
document.addEventListener("keydown", (event) => {
  // A question is one line, so Enter ends it.
  const ends = event.ctrlKey || event.metaKey || event.target === find("question");
  if (event.key === "Enter" && ends && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
form.addEventListener("input", (event) => {
  if (find(`${event.target.id}-error`)) showError(event.target.id, "");
});
find("sources").addEventListener("change", showSource);
find("context").addEventListener("input", showLength);
find("file").addEventListener("change", openFile);
find("token").addEventListener("change", () => {
  if (about === null) loadAbout();
});
find("example").addEventListener("click", () => {
  form.elements.source.value = "text";
  showSource();
  find("question").value = EXAMPLE.question;
  find("context").value = EXAMPLE.context;
  clearErrors();
  showLength();
  find("question").focus();
});
showLength();
loadAbout();
