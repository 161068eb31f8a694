"""BERTScore: how near an answer is in meaning, by greedy matching of contextual token vectors.

Owns the score. Which texts are compared, and files, belong to the caller.

Precision is the mean, over the tokens of the prediction, of the highest cosine with any token of
the reference; recall the same the other way round; F1 their harmonic mean. Rules of this module:

- Special tokens take no part, neither as a word to be matched nor as a match. (The authors' package
  weighs them 0, but lets a word match them.)
- Several references: the highest precision, recall and F1, each by itself, as the authors do.
- No tokens on both sides (abstained, and rightly) is 1; on one side only, 0.
- A text longer than the encoder takes is cut; answers never are.

Figures depend on the encoder: compare only those of one encoder. Token vectors are those of its
last layer, all tokens weigh the same, and nothing is rescaled.

Source: Zhang et al. 2020 (arXiv:1904.09675).

Legend: N pairs, P tokens of the longest prediction, R of the longest reference, D hidden size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from squadron.models import minilm
from squadron.models.encoders import cut_passes, load_network

if TYPE_CHECKING:
    import torch

# Token vectors held at once: 32,768 x 384 x 4 bytes = 50 MB with MiniLM.
CHUNK_TOKENS = 32_768
# Cosines, and vectors laid out for them, of one multiplication: about 16 MB each.
_MATCH_NUMBERS = 4_000_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BertScores:
    """One value per prediction, shape (E,): -1 to 1, in practice 0 to 1."""

    precision: Floats
    recall: Floats
    f1: Floats


@dataclass(frozen=True)
class _Text:
    """One tokenised text; special tokens are in `ids` and not in `words`."""

    ids: list[int]
    is_word: list[bool]
    words: list[int]


class BertScorer:
    """Scores answers with one local encoder.

    Args:
        backbone: As `backbones.locate` takes it.
        batch_tokens: Padded tokens of one forward pass at most (one text at least).
        device: A torch device; the first GPU or the CPU unless given.

    Raises:
        InputError: If the backbone can't be loaded.
    """

    def __init__(
        self,
        backbone: str = minilm.NAME,
        *,
        batch_tokens: int = 4_096,
        device: Any = None,
    ) -> None:
        self._encoder = load_network(backbone, device=device)
        self._batch_tokens = batch_tokens

    def score(
        self,
        predictions: Sequence[str],
        references: Sequence[Sequence[str]],
    ) -> BertScores:
        """Scores predictions; equal pairs are computed once, and equal texts encoded once a chunk.

        Args:
            predictions: One text per question; "" abstains.
            references: The accepted texts of each question; none means "not answered here".

        Raises:
            ValueError: If there are not as many lists of references as predictions.
        """
        if len(predictions) != len(references):
            raise ValueError(
                f"There are {len(predictions)} predictions and {len(references)} lists of "
                "references; give one list per prediction."
            )
        accepted = [list(some) or [""] for some in references]
        number: dict[tuple[str, str], int] = {}
        owner: list[int] = []
        pair_of: list[int] = []
        for row, (prediction, some) in enumerate(zip(predictions, accepted, strict=True)):
            for reference in some:
                owner.append(row)
                pair_of.append(number.setdefault((prediction, reference), len(number)))
        tokens = self._tokenize({text for pair in number for text in pair})
        found = self._score_pairs(list(number), tokens)
        best = np.full((len(predictions), 3), -np.inf)
        np.maximum.at(best, np.array(owner, np.int64), found[np.array(pair_of, np.int64)])
        return BertScores(best[:, 0], best[:, 1], best[:, 2])

    def mean_scores(
        self, predictions: Sequence[str], references: Sequence[Sequence[str]]
    ) -> dict[str, float]:
        """Mean precision, recall and F1 over the questions, 0 to 100; arguments as of `score`."""
        scores = self.score(predictions, references)
        return {name: 100.0 * float(values.mean()) for name, values in vars(scores).items()}

    def _tokenize(self, texts: Iterable[str]) -> dict[str, _Text]:
        unique = sorted(texts)
        found = {}
        for text, encoding in zip(
            unique, self._encoder.tokenizer.encode_batch_fast(unique), strict=True
        ):
            is_word = [not special for special in encoding.special_tokens_mask]
            words = [n for n, keep in zip(encoding.ids, is_word, strict=True) if keep]
            found[text] = _Text(encoding.ids, is_word, words)
        return found

    def _score_pairs(
        self,
        pairs: Sequence[tuple[str, str]],
        tokens: Mapping[str, _Text],
    ) -> Floats:
        """Precision, recall and F1 of each pair, (N, 3)."""
        scores = np.zeros((len(pairs), 3))
        compared = []
        for row, (prediction, reference) in enumerate(pairs):
            words = tokens[prediction].words, tokens[reference].words
            if not any(words):
                scores[row] = 1.0
            elif all(words):
                compared.append(row)
        # Neighbours share texts and have near-equal lengths.
        compared.sort(key=lambda row: (len(tokens[pairs[row][0]].words), pairs[row]))
        for chunk in _cut_chunks(compared, pairs, tokens):
            texts = sorted({text for row in chunk for text in pairs[row]})
            vectors = self._encode(texts, tokens)
            for some in _cut_batches(
                chunk, pairs, tokens, self._encoder.network.config.hidden_size
            ):
                scores[some] = _match(
                    [vectors[pairs[row][0]] for row in some],
                    [vectors[pairs[row][1]] for row in some],
                )
        return scores

    def _encode(
        self, texts: Sequence[str], tokens: Mapping[str, _Text]
    ) -> dict[str, "torch.Tensor"]:
        """Unit vectors of each text's words: a (words, D) tensor each."""
        import torch

        vectors = {}
        lengths = [len(tokens[text].ids) for text in texts]
        for rows in cut_passes(lengths, self._batch_tokens):
            some = [texts[row] for row in rows]
            ids, mask = self._encoder.pad([tokens[text].ids for text in some])
            with torch.inference_mode():
                output = self._encoder.network(
                    input_ids=ids.to(self._encoder.device),
                    attention_mask=mask.to(self._encoder.device),
                    output_hidden_states=True,
                )
                hidden = torch.nn.functional.normalize(output.hidden_states[-1].float(), dim=-1)
            for row, text in enumerate(some):
                is_word = torch.tensor(tokens[text].is_word, device=hidden.device)
                vectors[text] = hidden[row, : len(is_word)][is_word]
        return vectors


def _cut_chunks(
    rows: Sequence[int], pairs: Sequence[tuple[str, str]], tokens: Mapping[str, _Text]
) -> Iterator[list[int]]:
    """Runs of pairs whose different texts have at most CHUNK_TOKENS tokens (one pair at least)."""
    chunk: list[int] = []
    seen: set[str] = set()
    held = 0
    for row in rows:
        fresh = set(pairs[row]) - seen
        size = sum(len(tokens[text].words) for text in fresh)
        if chunk and held + size > CHUNK_TOKENS:
            yield chunk
            chunk, seen, held = [], set(), 0
            fresh = set(pairs[row])
            size = sum(len(tokens[text].words) for text in fresh)
        chunk.append(row)
        seen |= fresh
        held += size
    if chunk:
        yield chunk


def _cut_batches(
    rows: Sequence[int],
    pairs: Sequence[tuple[str, str]],
    tokens: Mapping[str, _Text],
    hidden_size: int,
) -> Iterator[list[int]]:
    """Pairs for one multiplication, which is bounded by its padded size."""
    order = sorted(rows, key=lambda row: [len(tokens[text].words) for text in pairs[row]])
    batch: list[int] = []
    long, wide = 0, 0
    for row in order:
        sizes = [len(tokens[text].words) for text in pairs[row]]
        longer, wider = max(long, sizes[0]), max(wide, sizes[1])
        numbers = (len(batch) + 1) * ((longer + wider) * hidden_size + longer * wider)
        if batch and numbers > _MATCH_NUMBERS:
            yield batch
            batch, longer, wider = [], sizes[0], sizes[1]
        batch.append(row)
        long, wide = longer, wider
    if batch:
        yield batch


def _match(
    predictions: Sequence["torch.Tensor"],
    references: Sequence["torch.Tensor"],
) -> Floats:
    """Greedy matching of pairs of unit vectors: precision, recall and F1, (N, 3)."""
    import torch

    def pad(parts: Sequence[Any]) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)

    prediction_NPD, reference_NRD = pad(predictions), pad(references)
    device = prediction_NPD.device
    inside_NP = pad([torch.ones(len(p), dtype=torch.bool) for p in predictions]).to(device)
    inside_NR = pad([torch.ones(len(r), dtype=torch.bool) for r in references]).to(device)
    cosine_NPR = torch.bmm(prediction_NPD, reference_NRD.transpose(1, 2))
    both_NPR = inside_NP[:, :, None] & inside_NR[:, None, :]
    cosine_NPR = cosine_NPR.masked_fill(~both_NPR, -2.0)
    best_NP = cosine_NPR.amax(dim=2).masked_fill(~inside_NP, 0.0)
    best_NR = cosine_NPR.amax(dim=1).masked_fill(~inside_NR, 0.0)
    precision_N = best_NP.sum(1) / inside_NP.sum(1)
    recall_N = best_NR.sum(1) / inside_NR.sum(1)
    columns = torch.stack([precision_N, recall_N], dim=1).double().cpu().numpy()
    # Rounding may put the cosine of a vector with itself a little above 1.
    precision, recall = np.clip(columns, -1.0, 1.0).T
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return np.stack([precision, recall, f1], axis=1)
