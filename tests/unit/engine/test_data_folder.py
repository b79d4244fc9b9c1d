"""One folder for all datasets: RATIONALE_DATA."""

from __future__ import annotations

import pytest

from rationale_cli.engine.configure import choose, configure
from rationale_cli.errors import InputError
from rationale_cli.recipe import Draft, from_mapping, from_sets, recorded
from rationale_cli.registry import Registry


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


@pytest.fixture
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("RATIONALE_DATA", str(tmp_path))
    return tmp_path


def draft(*sets, **sections):
    return Draft(from_mapping(sections, "r.yaml")).over(from_sets(sets))


def test_a_dataset_lies_in_the_folder_called_as_it_is(registry, data):
    done = configure(draft(dataset="rationale:stanford-dogs"), registry)
    assert done.dataset.options.root == data / "stanford-dogs"
    assert done.passed == {"dataset.use": "rationale:stanford-dogs"}
    assert choose("dataset", draft(dataset="cub"), registry).options.root == data / "cub"


def test_the_message_of_missing_data_names_that_folder(registry, data):
    with pytest.raises(InputError) as caught:
        choose("dataset", draft(dataset="cub"), registry).build()
    assert caught.value.where == str(data / "cub")


def test_what_is_given_wins(registry, data, tmp_path):
    assert str(configure(draft("dataset.root=mine", dataset="cub"), registry).dataset.options.root) == "mine"
    done = configure(draft(dataset="cub"), registry, tmp_path / "other")
    assert done.dataset.options.root == tmp_path / "other" / "cub"


def test_a_further_dataset_too_and_what_it_reads_of_another(registry, data):
    (data / "imagenet").mkdir()
    done = configure(draft(dataset="imagenet", shift="imagenet-c"), registry)
    assert done.dataset.options.root == data / "imagenet"
    assert done.shift is not None
    assert done.shift.options.root == data / "imagenet-c"
    assert done.shift.options.imagenet == data / "imagenet"
    (data / "imagenet").rmdir()
    assert configure(draft(shift="imagenet-c"), registry).shift.options.imagenet is None


def test_a_dataset_without_a_folder_is_left_alone(registry, data):
    assert configure(draft(dataset="scenes"), registry).dataset.name == "rationale:scenes"


def test_a_record_holds_the_folder_and_keeps_it(registry, data, monkeypatch, tmp_path):
    first = configure(draft(dataset="cub"), registry)
    monkeypatch.setenv("RATIONALE_DATA", str(tmp_path / "elsewhere"))
    again = configure(Draft(recorded(first.to_dict(), "run.yaml")), registry)
    assert again.dataset.options.root == data / "cub"
    assert again.digest() == first.digest()


def test_a_relative_folder_is_made_absolute(registry, monkeypatch, tmp_path):
    """Recorded settings outlive the folder that the command was given in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATIONALE_DATA", "data")
    assert configure(draft(dataset="cub"), registry).dataset.options.root == tmp_path / "data" / "cub"


def test_names_of_runs_follow_from_their_settings_alone(registry):
    """So that recipes that ask for the same run share its folder."""
    plain = configure(draft("train.split=train-clean", "train.seed=2", method="lp"), registry)
    assert plain.run_name() == f"tiny-clip-lp-scenes-train-clean-seed-2-{plain.digest()}"
    labelled = Draft(draft("train.split=train-clean", "train.seed=2", method="lp").given, "method=lp", "slow")
    assert configure(labelled, registry).run_name() == plain.run_name()


def test_a_share_of_the_pictures_is_another_run(registry):
    assert configure(draft("train.share=0.5"), registry).digest() != configure(draft(), registry).digest()
    assert configure(draft("train.share=1"), registry).digest() == configure(draft(), registry).digest()
    with pytest.raises(InputError, match=r"train\.share"):
        configure(draft("train.share=1.5"), registry)
