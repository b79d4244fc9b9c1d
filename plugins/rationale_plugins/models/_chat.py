"""Generative models of transformers that read a picture among the tokens of a prompt.

Any model of transformers' image-text-to-text class whose picture becomes tokens of the language model: LLaVA,
Qwen2.5-VL, SmolVLM and their like. What differs between families is asked of their own processor and told by
numbers, so that none is named here: how it lays out pixels, and where it puts the picture's tokens.

Shapes: B pictures, N texts, L tokens of a text, T tokens of a prompt, S pixels, V vocabulary, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import isqrt
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rationale_cli.contracts import Part, Preprocessing
from rationale_cli.errors import InputError
from rationale_cli.toolkit.answers import QUESTION
from rationale_cli.toolkit.attention import arranged
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.texts import refuse_longer

from ._pixel_layout import PixelLayout

_ORDER = "order"
"""Entry of a prompt: the places of its T tokens, the last one first and those of the picture last."""
_NOT_ASKED = ("pixel_values", "attention_mask")
"""What a processor tells beside the prompt: pictures come later, and nothing is filled up."""


class ChatModel(nn.Module):
    """A ``VisionLanguageModel`` that answers (``Answering``), over a model of transformers and its processor.

    Pictures are squares of ``side`` pixels. Raises ``InputError`` for a processor or a model that cannot be
    used so.
    """

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    _unit: Tensor

    def __init__(self, model: Any, processor: Any, side: int, question: str | None, where: str) -> None:
        super().__init__()
        self.model = model
        self.question = question
        self._processor, self._side, self._where = processor, side, where
        self._layout = PixelLayout(processor.image_processor, side, where)
        self.register_buffer("_unit", torch.ones(()), persistent=False)
        self._own = self.converse(question or QUESTION)
        self._cells = isqrt(self._picture_tokens)
        self._check()

    @property
    def preprocessing(self) -> Preprocessing:
        """As the processor prepares a square picture."""
        return self._layout.preprocessing

    @property
    def logit_scale(self) -> Tensor:
        """1: a generative model has no temperature of its own."""
        return self._unit

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the picture's tokens in the prompt."""
        return height * self._cells // self._side, width * self._cells // self._side

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×W, the state after the model's own question."""
        return self.read(images, self._own)

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×W; the same as ``image_features``."""
        return self.image_features(images)

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """N texts → ``ids`` and ``mask`` N×L. Raises ``InputError`` for a text that is too long."""
        rows = [self._ids(text) for text in texts]
        refuse_longer(texts, map(len, rows), self._longest)
        width = max(map(len, rows), default=1)
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        return {"ids": ids, "mask": torch.arange(width) < torch.tensor([[len(row)] for row in rows])}

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``ids`` and ``mask`` N×L → N×W: the mean of the output layer's vectors of a text's tokens."""
        mask = tokens["mask"].unsqueeze(-1)
        return (self.token_vectors(tokens["ids"]) * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)

    def converse(self, question: str) -> Mapping[str, Tensor]:
        """The chat template's prompt; raises ``InputError`` where it is too long or hides the picture."""
        content = [{"type": "image", "image": self._layout.blank}, {"type": "text", "text": question}]
        told = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        (ids,) = told["input_ids"]
        refuse_longer([question], [len(ids)], self._longest, "the picture's tokens count too")
        prompt = {name: one for name, one in told.items() if name not in _NOT_ASKED}
        return {**prompt, _ORDER: self._ordered(ids).unsqueeze(0)}

    def read(self, images: Tensor, prompt: Mapping[str, Tensor]) -> Tensor:
        """B×3×S×S and a prompt → B×W: its last token after the last norm."""
        given = {
            name: one.to(images.device).repeat(len(images), *(1 for _ in one.shape[1:]))
            for name, one in prompt.items()
            if name != _ORDER
        }
        with self._recorded(prompt[_ORDER][0].to(images.device)):
            states = self.model.base_model(**given, pixel_values=self._layout(images), use_cache=False)
        last: Tensor = states.last_hidden_state[:, -1]
        return last

    def tell(self, states: Tensor) -> Tensor:
        """B×W → B×V by the output layer."""
        logits: Tensor = self.model.get_output_embeddings()(states)
        return logits

    def token_vectors(self, tokens: Tensor) -> Tensor:
        """Rows of the output layer's weight."""
        weight: Tensor = self.model.get_output_embeddings().weight
        return weight[tokens]

    def first_tokens(self, answer: str) -> frozenset[int]:
        """Of the answer as it is written, in lower case and capitalised, each with and without a blank."""
        spelled = {answer, answer.lower(), answer[:1].upper() + answer[1:]}
        begun = (self._ids(before + one) for one in spelled for before in ("", " "))
        return frozenset(ids[0] for ids in begun if ids)

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The output layer's; else those behind the last token's state, which autograd tells."""
        if part == "logit_scale":
            return iter(())
        if part == "embed_texts":
            return iter((self.model.get_output_embeddings().weight,))
        found = self._behind_features()
        return (one for one in self.parameters() if id(one) in found)

    @property
    def _picture_tokens(self) -> int:
        """How many there are in a prompt."""
        return int((self._own["input_ids"] == self._picture_token).sum())

    @property
    def _picture_token(self) -> int:
        config = self.model.config
        return int(getattr(config, "image_token_id", None) or config.image_token_index)

    @property
    def _longest(self) -> int:
        return int(self.model.config.get_text_config().max_position_embeddings)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._processor.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _ordered(self, ids: Tensor) -> Tensor:
        """T tokens of a prompt → their places as the recorder wants them."""
        picture = ids == self._picture_token
        count = int(picture.sum())
        if not count or isqrt(count) ** 2 != count or picture[-1]:
            raise InputError(
                f"Expected a chat template that puts a square of picture tokens before the answer but got "
                f"{count} of them.",
                where=self._where,
                next_step="a model that reads pictures otherwise (cross-attention, tiles) needs a plugin",
            )
        places = torch.arange(len(ids))
        return torch.cat([places[-1:], places[:-1][~picture[:-1]], places[picture]])

    @contextmanager
    def _recorded(self, order: Tensor) -> Iterator[None]:
        """Of the forward inside, the language model's attention is what attributions see."""
        language = self.model.get_decoder()
        with arranged(None), ExitStack() as inside:

            def enter(*_: object) -> None:
                inside.enter_context(arranged(order))

            def leave(*_: object) -> None:
                inside.close()

            hooks = language.register_forward_pre_hook(enter), language.register_forward_hook(leave)
            try:
                yield
            finally:
                for hook in hooks:
                    hook.remove()

    def _check(self) -> None:
        """That what is put together here tells what the model itself does, by one blank picture."""
        given = {name: one for name, one in self._own.items() if name != _ORDER}
        images = torch.zeros(1, 3, self._side, self._side)
        with torch.no_grad(), evaluation(self):
            logits = self.model(**given, pixel_values=self._layout(images), use_cache=False).logits[:, -1]
            own = self.tell(self.image_features(images))
        if not torch.allclose(logits, own, rtol=1e-3, atol=1e-3):
            raise InputError(
                "Expected a model whose output layer reads the last token's state but this one goes on "
                "otherwise.",
                where=self._where,
                next_step="write a small plugin for it: see the how-to on adding a model",
            )

    def _behind_features(self) -> set[int]:
        """Identities of the parameters in the graph of a blank picture's state."""
        frozen = [one for one in self.parameters() if one.is_floating_point() and not one.requires_grad]
        blank = torch.zeros(1, 3, self._side, self._side, device=self.logit_scale.device)
        try:
            for one in frozen:
                one.requires_grad_(True)
            with torch.enable_grad(), torch.inference_mode(False), evaluation(self):
                return _leaves(self.image_features(blank))
        finally:
            for one in frozen:
                one.requires_grad_(False)


def _leaves(result: Tensor) -> set[int]:
    """Identities of the leaves on which a result depends."""
    waiting, seen, found = [result.grad_fn], set(), set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        waiting += [one for one, _ in node.next_functions]
    return found
