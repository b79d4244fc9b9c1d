"""Where a learned context stands in any vocabulary, and what is told where it cannot."""

from __future__ import annotations

import pytest
import torch
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import TinyAlbef

from rationale_cli.errors import InputError
from rationale_cli.testing import FakeModel
from rationale_cli.toolkit.prompts import Prompts, context_of, random_context

NAMES = ["a cappella", "dotted", "zigzagged star"]


class Seen:
    """A tower that keeps the embeddings that it is given."""

    def embed_prompts(self, embeddings, tokens):
        self.embeddings = embeddings.detach()
        return super().embed_prompts(embeddings, tokens)


class Clip(Seen, TinyClip):
    pass


class Albef(Seen, TinyAlbef):
    pass


class Words(Seen, FakeModel):
    pass


class Endless(Words):
    """A tokeniser whose texts have neither start nor end, nor any filling."""

    def tokenize(self, texts):
        ids = super().tokenize(texts)["ids"]
        return {"ids": ids[:, : int((ids > 0).sum(dim=1).max())]}


class Filled(Words):
    """A tokeniser that puts the filling first."""

    def tokenize(self, texts):
        rows = [row[row > 0] for row in super().tokenize(texts)["ids"]]
        return {"ids": torch.stack([torch.nn.functional.pad(row, (40 - len(row), 0)) for row in rows])}


class Letters(FakeModel):
    """A tokeniser that makes two tokens of a letter."""

    def tokenize(self, texts):
        return super().tokenize([" ".join(f"{word} ." for word in text.split()) for text in texts])


MODELS = {
    "tiny-clip": lambda: Clip(Clip.Options(weights="none")),
    "tiny-albef": lambda: Albef(Albef.Options(weights="none")),
    "words": Words,
    "endless": Endless,
    "filled": Filled,
}


def embedded(model, text):
    """Embeddings of a text's own tokens, N×W."""
    tokens = model.tokenize([text])
    row, count = model.token_embeddings(tokens)[0].detach(), int(model.token_counts(tokens))
    return row[-count:] if isinstance(model, Filled) else row[:count]


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("model", MODELS)
def test_known_words_as_a_context_give_the_text_that_they_are_part_of(model, position):
    """The words of a text, taken for a context, stand where the same text has them."""
    model = MODELS[model]().eval()
    words = context_of(model, "photo of the")
    prompts = Prompts(model, NAMES, len(words), position)
    prompts.encode_names(words)
    for row, name in enumerate(NAMES):
        text = {
            "end": f"photo of the {name}.",
            "middle": f"photo {name} of the.",
            "front": f"{name} photo of the.",
        }[position]
        if isinstance(model, FakeModel):  # Its words are what stands between spaces, the stop included.
            text = text if position == "end" else None
        if text is not None:
            wanted = embedded(model, text)
            found = model.embeddings[row]
            found = found[-len(wanted) :] if isinstance(model, Filled) else found[: len(wanted)]
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("model", MODELS)
def test_every_token_of_the_text_and_of_the_context_stands_somewhere_once(model):
    model = MODELS[model]().eval()
    context = torch.full((5, model.token_embeddings(model.tokenize(["a"])).shape[-1]), 7.0)
    ends = {}
    for position in ("end", "middle", "front"):
        Prompts(model, NAMES, 5, position).encode_names(context)
        is_context = (model.embeddings == 7).all(dim=-1)
        assert is_context.sum(dim=1).tolist() == [5, 5, 5]
        first = is_context.int().argmax(dim=1)
        ends[position] = first.tolist()
        inside = [is_context[row, start : start + 5].all().item() for row, start in enumerate(first)]
        assert inside == [position != "middle"] * 3
    assert ends["end"] == ends["middle"]
    assert all(one > other for one, other in zip(ends["front"], ends["end"], strict=True))
    # Where the filling comes first, a longer text begins earlier.
    assert (len(set(ends["end"])) > 1) == isinstance(model, Filled)


def test_contexts_of_their_own_and_of_pairs():
    model = FakeModel()
    prompts = Prompts(model, NAMES, 2, chunk=2)
    contexts = torch.randn(3, 2, 16)
    own = prompts.encode_names(contexts)
    for row in range(3):
        torch.testing.assert_close(own[row], prompts.encode_names(contexts[row])[row])
    of, names = torch.tensor([2, 0, 0, 1, 2]), torch.tensor([0, 0, 2, 1, 2])
    pairs = prompts.encode(contexts, of, names)
    for row, (context, name) in enumerate(zip(of, names, strict=True)):
        torch.testing.assert_close(pairs[row], prompts.encode_names(contexts[context])[name])


@pytest.mark.parametrize("specific", [False, True])
def test_gradients_do_not_depend_on_parts(specific):
    model = MODELS["tiny-clip"]().eval().requires_grad_(False)
    torch.manual_seed(2)
    context = random_context(model, 12).view(3, 4, -1)
    context = context if specific else context[0]
    found = []
    for chunk in (1, 2, 256):
        leaf = context.clone().requires_grad_()
        features = Prompts(model, NAMES, 4, chunk=chunk).encode_names(leaf)
        found.append((features, *torch.autograd.grad(features.sin().sum(), leaf)))
    for features, gradient in found[1:]:
        torch.testing.assert_close(features, found[0][0])
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-4)


def test_a_random_context_is_small_and_follows_the_seed():
    model = FakeModel()
    torch.manual_seed(3)
    first = random_context(model, 400)
    torch.manual_seed(3)
    assert torch.equal(first, random_context(model, 400))
    assert first.shape == (400, 16)
    assert 0.019 < float(first.std()) < 0.021


def test_a_context_that_leaves_no_room_for_the_name_is_told():
    with pytest.raises(InputError, match=r"at most 64 tokens.*context of 55 tokens") as caught:
        Prompts(MODELS["tiny-clip"](), ["a name to be spelled"], 55)
    assert "method.context" in caught.value.next_step


def test_a_vocabulary_of_smaller_pieces_is_told():
    with pytest.raises(InputError, match="one token of the word 'a' but 3 of them are 6 tokens"):
        Prompts(Letters(), NAMES, 3)


def test_no_words_are_no_context():
    with pytest.raises(InputError, match="Expected words to begin with"):
        context_of(FakeModel(), "  ")
