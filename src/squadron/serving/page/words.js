// What the page says about figures, offsets and errors. It changes nothing on the page.

/**
 * Returns the place in a JavaScript string of a character that the server counted.
 * The server counts Unicode code points. A string counts UTF-16 units, and a character such as an
 * emoji has two of them.
 */
export function toUnits(text, points) {
  let unit = 0;
  for (let left = points; left > 0 && unit < text.length; left -= 1) {
    unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
  }
  return unit;
}

/** Returns how many characters a text has, as the server counts them. */
export function countPoints(text) {
  let points = 0;
  for (let unit = 0; unit < text.length; points += 1) {
    unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
  }
  return points;
}

/** Returns a probability as a figure. It never says 0 % or 100 %, which would be certainty. */
export function percent(probability) {
  if (probability < 0.01) return "below 1 %";
  if (probability > 0.99) return "above 99 %";
  return `${Math.round(100 * probability)} %`;
}

/**
 * Returns a probability as a word: the scale of the Intergovernmental Panel on Climate Change
 * (guidance note on uncertainties, 2010), which readers of reports know.
 */
export function likelihood(probability) {
  if (probability >= 0.99) return "virtually certain";
  if (probability >= 0.9) return "very likely";
  if (probability >= 0.66) return "likely";
  if (probability > 0.33) return "about as likely as not";
  if (probability > 0.1) return "unlikely";
  return probability > 0.01 ? "very unlikely" : "exceptionally unlikely";
}

/** Returns a score in log-odds as a figure; the server sends null where there is none. */
export function logOdds(score) {
  return score === null || score === undefined ? "none" : score.toFixed(2);
}

/** Returns a text on one line. */
export function onOneLine(text) {
  return text.split(/\s+/u).join(" ").trim();
}

/** Returns "1 character" or "2 characters", with separators of thousands. */
export function count(number, one, several) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
}

/**
 * Returns where an error of the server belongs and what it says.
 * The server names a field as in "inputs[0].context"; the last name is the field of this page.
 */
export function readError(status, body) {
  const message = typeof body?.message === "string" ? body.message : `The server answered ${status}`;
  const names = String(body?.field ?? "").match(/[a-z_]+/giu) ?? [];
  let field = names.at(-1) ?? "";
  if (status === 413 || field === "contexts") field = "context";
  if (field === "index") field = "source";
  return { field, text: /[.!?]$/u.test(message) ? message : `${message}.` };
}

const SPLITS = {
  select: "the select split of its race",
  test: "the test split of its race",
  squad1_dev: "the dev set of SQuAD 1.1",
};

/**
 * Returns the registered EM and F1 in a sentence; "" if there are none.
 * figures: names such as "select_exact_match" -> {value, low, high}, 0 to 100.
 */
export function describeFigures(figures) {
  for (const [split, on] of Object.entries(SPLITS)) {
    const parts = [["EM", `${split}_exact_match`], ["F1", `${split}_f1`]]
      .filter(([, key]) => typeof figures[key]?.value === "number")
      .map(([name, key]) => `${name} ${figures[key].value.toFixed(2)}${interval(figures[key])}`);
    if (parts.length) return `Evaluated on ${on}: ${parts.join(", ")}.`;
  }
  return "";
}

/** Returns the 95 % interval of a figure in brackets; "" if it has none. */
function interval({ low, high }) {
  if (typeof low !== "number" || typeof high !== "number") return "";
  return ` (${low.toFixed(1)}–${high.toFixed(1)})`;
}
