"""Generative models as classifiers: transformers' own numbers, answers, heatmaps by autograd, and errors."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from rationale_plugins.methods.zero_shot import ZeroShot
from rationale_plugins.models.huggingface_chat import HuggingFaceChat
from rationale_plugins.models.tiny_chat import TinyChat
from transformers import AutoModelForImageTextToText, AutoProcessor

from rationale_cli.contracts import Specification, Task
from rationale_cli.engine.build import Built
from rationale_cli.engine.retarget import classifier_for
from rationale_cli.errors import InputError
from rationale_cli.registry import Registry
from rationale_cli.testing import check_attribution, check_model
from rationale_cli.toolkit.answers import AnswerClassifier, asked
from rationale_cli.toolkit.geometry import normalise

from ..chats import FAMILIES, GRID, SIDE, llava

REGISTRY = Registry.discover()
TASK = Task(
    ("stable", "unstable"), question="Will any block fall?", answers={"stable": "no", "unstable": "yes"}
)
SPELLED = {"no": {"no", "No", " no", " No"}, "yes": {"yes", "Yes", " yes", " Yes"}}


def built(folder, **options):
    torch.manual_seed(0)
    return HuggingFaceChat(HuggingFaceChat.Options(repository=str(folder), **options)).eval()


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param)
    FAMILIES[request.param](path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return built(folder, size=SIDE)


@pytest.fixture(scope="module")
def classifier(model):
    return AnswerClassifier(model, TASK).eval()


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def images(model, pictures):
    return normalise(pictures, model.preprocessing)


def inputs(folder, picture):
    """What transformers' own processor makes of a picture and the question."""
    processor = AutoProcessor.from_pretrained(folder)
    if hasattr(processor.image_processor, "do_image_splitting"):
        processor.image_processor.do_image_splitting = False
        processor.image_processor.size = {"longest_edge": SIDE}
    content = [{"type": "image", "image": picture}, {"type": "text", "text": TASK.question}]
    return processor.tokenizer, processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def as_picture(tensor):
    return Image.fromarray(tensor.permute(1, 2, 0).numpy())


def eager(folder, picture):
    """Logits of the answer's first token and the language model's attention, both in autograd's graph."""
    reference = AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer, given = inputs(folder, as_picture(picture))
    told = reference(**given, output_attentions=True, use_cache=False)
    kept = given["input_ids"][0] == reference.config.image_token_id
    return tokenizer, told.logits[0, -1], told.attentions, kept


def log_probabilities(tokenizer, logits):
    """By the definition: probabilities of all spellings of an answer, summed."""
    every = logits.softmax(dim=-1)
    begun = {
        answer: {tokenizer.encode(one, add_special_tokens=False)[0] for one in spelled}
        for answer, spelled in SPELLED.items()
    }
    shared = begun["no"] & begun["yes"]
    return torch.stack([every[sorted(begun[answer] - shared)].sum().log() for answer in ("no", "yes")])


def rolled_out(target, attentions, kept):
    """Chefer, Gur and Wolf 2021, token by token: the last row of R = Π (I + E[(∇A ⊙ A)⁺])."""
    gradients = torch.autograd.grad(target, attentions, retain_graph=True)
    relevance = torch.eye(attentions[0].shape[-1])
    for attention, gradient in zip(attentions, gradients, strict=True):
        relevance = relevance + (gradient * attention).clamp(min=0).mean(dim=1)[0] @ relevance
    return relevance[-1, kept].detach().view(GRID, GRID)


def explained(name, classifier, images, targets, specifications):
    plugin = REGISTRY.load("attribution", name)
    return plugin(plugin.Options()).explain(classifier, images, targets, specifications)


def test_the_contract_of_models_holds(model):
    check_model(model)


def test_logits_are_the_log_probabilities_that_transformers_gives(folder, classifier, pictures, images):
    with torch.no_grad():
        found = classifier(images)
        for row, picture in zip(found, pictures, strict=True):
            tokenizer, logits, _, _ = eager(folder, picture)
            wanted = log_probabilities(tokenizer, logits)
            torch.testing.assert_close(row, wanted, rtol=1e-4, atol=1e-4)


def test_heatmaps_are_those_of_autograd_through_attention_in_the_graph(folder, classifier, pictures, images):
    specifications = [Specification("last", "native"), Specification("all", "native")]
    gaa = explained("gaa", classifier, images, torch.tensor([1, 0]), specifications)
    raw = explained("raw-attention", classifier, images, torch.tensor([1, 0]), [Specification("last")])
    for index, (picture, target) in enumerate(zip(pictures, (1, 0), strict=True)):
        tokenizer, logits, attentions, kept = eager(folder, picture)
        score = log_probabilities(tokenizer, logits)[target]
        for relevance, layers in zip(gaa.relevance, (attentions[-1:], attentions), strict=True):
            wanted = rolled_out(score, layers, kept)
            torch.testing.assert_close(relevance[index], wanted, rtol=1e-3, atol=1e-6)
        wanted = attentions[-1][0, :, -1, kept].mean(dim=0).view(GRID, GRID)
        torch.testing.assert_close(raw.relevance[0][index], wanted, rtol=1e-4, atol=1e-6)


def test_a_picture_of_one_colour_is_no_filling(model):
    with torch.no_grad():
        features = model.image_features(torch.zeros(2, 3, SIDE, SIDE))
    assert bool(features.isfinite().all())


def test_pictures_of_another_size_are_refused(model):
    with pytest.raises(InputError, match="pictures of 32×32"):
        model.image_features(torch.zeros(1, 3, 2 * SIDE, SIDE))


# -- answers -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return TinyChat(TinyChat.Options()).eval()


def words(model, tokens):
    return {model._processor.tokenizer.convert_ids_to_tokens(token) for token in tokens}


def test_classes_that_begin_alike_are_asked_for_by_letter(tiny):
    question, beginnings = asked(tiny, Task(("red disc", "red star")))
    assert "a. red disc" in question.lower() and "b. red star" in question.lower()
    assert [words(tiny, one) for one in beginnings] == [{"a"}, {"b"}]
    many = Task(tuple(f"red {number}" for number in range(27)))
    with pytest.raises(InputError, match="at most 26"):
        asked(tiny, many)


def test_the_question_is_the_users_else_the_tasks_else_a_list(tiny):
    assert asked(tiny, TASK).question == TASK.question
    own = TinyChat(TinyChat.Options(question="Does it stand?"))
    assert asked(own, TASK).question == "Does it stand?"
    listed = asked(tiny, Task(("disc", "star"))).question
    assert "disc, star" in listed


def test_a_question_longer_than_the_model_reads_is_refused(tiny):
    with pytest.raises(InputError, match="at most 256 tokens"):
        AnswerClassifier(tiny, Task(("disc", "star"), question="why " * 300))


def test_a_split_that_asks_another_question_is_asked_it(tiny):
    method = ZeroShot(ZeroShot.Options())
    fitted = method.build(tiny, TASK)
    built = Built(None, SimpleNamespace(task=TASK), tiny, method, fitted)
    assert classifier_for(built, replace(TASK, templates=("{}",))) is fitted.classifier
    other = classifier_for(built, replace(TASK, question="Is it stable?")).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(other(images), fitted.classifier.eval()(images))


@pytest.mark.parametrize("name", ["gaa", "grad-eclip", "random-head"])
def test_attributions_hold_their_contract(tiny, name):
    plugin = REGISTRY.load("attribution", name)
    check_attribution(plugin(plugin.Options()), AnswerClassifier(tiny, TASK).eval(), batch=2)


@pytest.mark.parametrize("name", ["legrad", "grad-cam", "attention-x-norm"])
def test_what_needs_a_tower_of_its_own_is_refused(tiny, name):
    with pytest.raises(InputError, match=r"layer norm|linear projection"):
        explained(
            name,
            AnswerClassifier(tiny, TASK).eval(),
            torch.randn(1, 3, 64, 64),
            torch.tensor([0]),
            [Specification()],
        )


# -- folders -----------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    llava(tmp_path)
    return tmp_path


def test_random_weights_follow_the_seed(own):
    one, other = built(own, weights="none"), built(own, weights="none")
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.model.lm_head.weight, built(own).model.lm_head.weight)


def test_a_folder_of_another_kind_of_model_is_refused(own):
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config["vision_config"], "architectures": []}))
    with pytest.raises(InputError, match="answers in words"):
        built(own)


def test_weights_of_another_model_are_refused(own, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    FAMILIES["idefics"](other)
    shutil.copy(other / "model.safetensors", own / "model.safetensors")
    with pytest.raises(InputError, match="missing: "):
        built(own)


def test_a_processor_without_a_chat_template_is_refused(own):
    (own / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="chat template"):
        built(own)


def test_a_side_that_the_processor_changes_is_refused(own):
    with pytest.raises(InputError, match="takes pictures of 40×40"):
        built(own, size=40)
