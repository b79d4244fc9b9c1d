"""From a draft to a checked configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
import yaml

from rationale_cli.contracts import MethodOptions, PluginOptions
from rationale_cli.engine.configuration import Configuration
from rationale_cli.engine.configure import choose, configure
from rationale_cli.errors import InputError, PluginError
from rationale_cli.hooks import Entry, hookimpl
from rationale_cli.recipe import Draft, Given, from_mapping, from_sets, load_recipe, recorded
from rationale_cli.registry import Registry
from rationale_cli.toolkit.prompts import NEEDS


class Model:
    class Options(PluginOptions):
        weights: str = "default"

    recommended: ClassVar = {"ft": {"method.lr": 3e-4, "train.epochs": 5}}

    def __init__(self, options):
        raise AssertionError("no weight is read while configuring")

    def patch_grid(self): ...
    def image_features(self): ...
    def embed_images(self): ...
    def tokenize(self): ...
    def embed_texts(self): ...
    def parameters_of(self): ...


class Family(Model):
    class Options(PluginOptions):
        repository: str


class Pushy(Model):
    recommended: ClassVar = {"ft": {"dataset.root": "elsewhere"}}


class Method:
    class Options(MethodOptions):
        lr: float = 1e-5
        temperature: float = 1.0

    needs = ()

    def build(self, model, task): ...


class Prompts(Method):
    needs = NEEDS


class Advised(Method):
    recommended: ClassVar = {"train.optimizer": "sgd", "train.epochs": 50, "method.temperature": 3.0}


class Meddling(Method):
    recommended: ClassVar = {"dataset.size": 32}


class Dataset:
    class Options(PluginOptions):
        size: int = 64

    def __init__(self, options):
        self.options = options

    def split(self, name): ...


class Folder(Dataset):
    class Options(PluginOptions):
        root: Path


class Attribution:
    Options = PluginOptions
    needs = ()
    specified = True

    def explain(self): ...


class Uniform(Attribution):
    specified = False


@pytest.fixture
def registry(monkeypatch):
    plugins = ModuleType("fake_plugins")
    for one in (
        Model,
        Family,
        Pushy,
        Method,
        Prompts,
        Advised,
        Meddling,
        Dataset,
        Folder,
        Attribution,
        Uniform,
    ):
        setattr(plugins, one.__name__, one)
    monkeypatch.setitem(sys.modules, "fake_plugins", plugins)

    def entries(**names):
        return hookimpl(
            lambda: [Entry(name.replace("_", "-"), f"fake_plugins:{cls}", "") for name, cls in names.items()]
        )

    register = ModuleType("fake_register")
    families = (Entry("hub", "fake_plugins:Family", "", argument="repository"),)
    plain = entries(tiny_clip="Model", pushy="Pushy")
    register.rationale_models = hookimpl(lambda: (*plain(), *families))
    register.rationale_methods = entries(
        ft="Method", lp="Method", prompts="Prompts", advised="Advised", meddling="Meddling"
    )
    register.rationale_datasets = entries(scenes="Dataset", folder="Folder")
    register.rationale_attributions = entries(gaa="Attribution", uniform="Uniform")
    return Registry.from_modules({"rationale": register})


def draft(*sets, origin="r.yaml", **sections):
    return Draft(from_mapping(sections, origin)).over(from_sets(sets))


def test_nothing_said_is_a_whole_configuration(registry):
    done = configure(Draft({}), registry)
    assert [done.model.name, done.method.name, done.dataset.name, done.attribution.name] == [
        "rationale:tiny-clip",
        "rationale:ft",
        "rationale:scenes",
        "rationale:gaa",
    ]
    assert done.train.seed == 0
    assert done.passed == {}


def test_later_layers_win(registry):
    """Plugin default < recommended by the model < recipe < --set."""
    assert configure(draft(method="lp"), registry).method.options.lr == 1e-5
    assert configure(Draft({}), registry).method.options.lr == 3e-4
    assert configure(draft(method={"use": "ft", "lr": "2e-4"}), registry).method.options.lr == 2e-4
    done = configure(draft("method.lr=1e-4", method={"use": "ft", "lr": "2e-4"}), registry)
    assert done.method.options.lr == 1e-4
    assert done.train.epochs == 5
    assert done.passed == {"method.use": "rationale:ft", "method.lr": 1e-4}


def test_what_a_method_recommends_yields_to_all_else(registry, monkeypatch):
    done = configure(draft(method="advised"), registry)
    assert (done.train.optimizer, done.train.epochs, done.method.options.temperature) == ("sgd", 50, 3.0)
    assert configure(draft("train.epochs=7", method="advised"), registry).train.epochs == 7
    assert configure(draft(method="ft"), registry).train.optimizer == "adam"
    monkeypatch.setattr(Model, "recommended", {"advised": {"train.epochs": 2}})
    done = configure(draft(method="advised"), registry)
    assert (done.train.optimizer, done.train.epochs) == ("sgd", 2)
    assert done.passed == {"method.use": "rationale:advised"}


def test_a_method_recommends_for_its_own_training_only(registry):
    with pytest.raises(PluginError, match=r"dataset\.size: a method recommends"):
        configure(draft(method="meddling"), registry)


def test_a_recommendation_holds_for_its_method_only(registry):
    assert configure(draft(method="lp"), registry).train.epochs == 10


def test_every_problem_is_told_with_key_and_origin(registry):
    with pytest.raises(InputError) as caught:
        configure(draft("method.lrr=1", train={"epochs": "many", "sed": "1"}), registry)
    lines = caught.value.what.splitlines()
    assert lines[0].startswith("method.lrr: unknown option of method 'ft'. Did you mean 'lr'?")
    assert lines[0].endswith("(from --set)")
    assert any(one.startswith("train.epochs: Expected a valid integer") and "r.yaml" in one for one in lines)
    assert any(
        one.startswith("train.sed: unknown option of section 'train'. Did you mean 'seed'?") for one in lines
    )


def test_an_unknown_plugin_tells_where_it_was_asked_for(registry):
    with pytest.raises(
        PluginError, match=r"method.use: Unknown method 'fft'. Did you mean 'ft'.*\(from --set\)"
    ):
        configure(draft("method=fft"), registry)


def test_a_folder_for_a_dataset_that_reads_none_is_told(registry):
    with pytest.raises(InputError) as caught:
        configure(Draft({"dataset.root": Given(Path("x"), "--data")}), registry)
    assert "dataset.root: unknown option of dataset 'scenes'" in caught.value.what
    assert "--dataset folder" in str(caught.value.next_step)


def test_a_required_option_is_asked_for(registry):
    with pytest.raises(InputError, match=r"dataset\.root: dataset 'folder' needs a value"):
        configure(draft(dataset="folder"), registry)


def test_a_model_without_the_methods_capabilities_is_refused(registry):
    with pytest.raises(
        PluginError, match=r"'rationale:prompts' needs a model with token_embeddings, embed_.*, token_"
    ):
        configure(draft(method="prompts"), registry)


def test_a_model_recommends_method_and_train_only(registry):
    with pytest.raises(PluginError, match=r"dataset\.root: a model recommends"):
        configure(draft(model="pushy"), registry)


@pytest.mark.parametrize("key", ["explain.layers=all", "explain.scalar=native"])
def test_layers_for_an_attribution_without_layers_are_refused_on_the_command_line(registry, key):
    with pytest.raises(InputError, match=r"has no (layers|scalar)"):
        configure(draft(key, attribution="uniform"), registry)


def test_layers_in_a_recipe_do_not_stand_in_the_way_of_such_an_attribution(registry):
    done = configure(draft(attribution="uniform", explain={"layers": "all"}), registry)
    assert done.explain.layers == ("all",)


def test_malformed_layers_are_refused_before_any_work(registry):
    with pytest.raises(InputError, match=r"Expected layers as last, all, reference or a\.\.b but got 'lats'"):
        configure(draft("explain.layers=last,lats"), registry)


def test_several_estimators_in_one_text(registry):
    done = configure(draft("explain.layers=last,all", "explain.scalar=dot,native"), registry)
    assert done.explain.layers == ("last", "all")
    assert done.explain.scalar == ("dot", "native")


def test_a_record_repeats_the_run(registry, tmp_path):
    first = configure(draft("method.lr=1e-4", "train.clip_norm=1", method="ft"), registry)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({"schema": 1, "name": "first", "configuration": first.to_dict()}))
    again = configure(Draft(load_recipe(path).given), registry)
    assert again == first
    assert configure(Draft(recorded(first.to_dict(), "run.yaml")), registry) == first


def test_a_record_holds_even_where_recommendations_have_changed(registry, tmp_path, monkeypatch):
    first = configure(Draft({}), registry)
    monkeypatch.setattr(Model, "recommended", {"ft": {"method.lr": 1.0}})
    assert configure(Draft(recorded(first.to_dict(), "run.yaml")), registry).method.options.lr == 3e-4


def digest(registry, *sets) -> str:
    return configure(draft(*sets), registry).digest()


@pytest.mark.parametrize("key", ["train.workers=2", "explain.layers=all", "attribution=uniform"])
def test_the_digest_ignores_what_does_not_change_training(registry, key):
    assert digest(registry, key) == digest(registry)


@pytest.mark.parametrize("key", ["train.seed=1", "method=lp", "method.temperature=2", "dataset.size=32"])
def test_the_digest_tells_different_trainings_apart(registry, key):
    assert digest(registry, key) != digest(registry)


def test_the_digest_is_of_values_not_of_how_they_were_given(registry):
    assert digest(registry, "method.lr=3e-4", "model=rationale:tiny-clip") == digest(registry)


def test_the_run_name_speaks(registry):
    done = configure(Draft({}), registry)
    assert done.run_name() == f"tiny-clip-ft-scenes-{done.digest()}"


def test_a_plugin_is_built_from_its_options(registry):
    done: Configuration = configure(draft("dataset.size=32"), registry)
    assert done.dataset.build().options.size == 32


def test_what_follows_a_familys_name_is_its_option(registry):
    done = configure(draft(model="hub:some/model"), registry)
    assert done.model.name == "rationale:hub:some/model"
    assert done.model.options.repository == "some/model"
    assert done.run_name() == f"hub-some-model-ft-scenes-{done.digest()}"
    assert configure(draft(model="rationale:hub:some/model"), registry) == done
    assert configure(Draft(recorded(done.to_dict(), "run.yaml")), registry) == done


def test_members_of_a_family_are_different_models(registry):
    base = draft(model={"use": "hub:one"})
    assert configure(base, registry).digest() != digest(registry, "model=hub:other")


def test_the_option_of_a_family_is_not_given_twice(registry):
    with pytest.raises(InputError, match=r"model\.repository: Expected one value but 'hub:a' .*'b'"):
        configure(draft("model.repository=b", model="hub:a"), registry)


def test_a_family_without_its_argument_asks_for_the_option(registry):
    with pytest.raises(InputError, match=r"model\.repository: model 'hub' needs a value"):
        configure(draft(model="hub"), registry)


def test_only_a_family_takes_an_argument(registry):
    with pytest.raises(PluginError, match=r"Unknown model 'tiny-clip:large'"):
        configure(draft(model="tiny-clip:large"), registry)


def test_one_section_is_chosen_alone(registry):
    """As ``configure`` does it; plugins of other sections may be missing."""
    sets = from_sets(["dataset.size=32", "method=unknown"])
    assert choose("dataset", Draft(sets), registry).options.size == 32
    alone = choose("model", draft(model="hub:some/model"), registry)
    assert alone == configure(draft(model="hub:some/model"), registry).model


def test_problems_of_one_section_are_told_alike(registry):
    wrong = draft("dataset.sice=32")
    with pytest.raises(InputError) as alone:
        choose("dataset", wrong, registry)
    with pytest.raises(InputError) as whole:
        configure(wrong, registry)
    assert str(alone.value) == str(whole.value)


def test_a_protocol_lies_between_defaults_and_what_is_set(registry, monkeypatch):
    own = {"reference": {"method.temperature": 9.0, "explain.scalar": ["cosine"]}}
    monkeypatch.setattr(Method, "protocols", own, raising=False)
    found = configure(draft("explain.target=prediction", protocol="reference"), registry)
    assert found.protocol == found.to_dict()["protocol"]["use"] == "reference"
    assert found.method.options.temperature == 9.0
    assert (found.explain.scalar, found.explain.layers) == (("cosine",), ("reference",))
    assert (found.explain.target, found.view.normalise) == ("prediction", "imagenet")
    assert found.digest() != configure(draft(), registry).digest()


def test_a_protocol_chooses_nothing_of_other_plugins(registry, monkeypatch):
    monkeypatch.setattr(Method, "protocols", {"paper": {"dataset.root": "elsewhere"}}, raising=False)
    with pytest.raises(PluginError, match=r"dataset\.root: a protocol's choices"):
        configure(draft(protocol="paper"), registry)


def test_a_further_dataset_is_checked_like_the_first(registry):
    with pytest.raises(InputError, match=r"shift\.rooot: unknown option of dataset 'folder'"):
        configure(draft(shift={"use": "folder", "rooot": "x"}), registry)
    assert configure(draft(shift={"use": "folder", "root": "x"}), registry).shift.kind == "dataset"
