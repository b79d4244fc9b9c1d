"""The drawn assemblies: exact answers, pairs that shortcuts do not tell apart, exact masks, named splits."""

from __future__ import annotations

import hashlib
import itertools
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from rationale_plugins.datasets._block_statics import column_margins, contacts, settled, without
from rationale_plugins.datasets.blocks import CLASSES, SPLITS, Blocks, BlocksOptions
from scipy.special import expit

from rationale_cli.errors import InputError

TASKS, SIZES, STYLES = ("stability", "causal-removal"), ("small", "large"), ("cubeworld", "photo")


def split(name="test", **options):
    return Blocks(BlocksOptions(**options)).split(name)


def digest(part, indices):
    samples = [part[index] for index in indices]
    return [(one.id, one.label, one.image.tobytes(), one.evidence.image.tobytes()) for one in samples]


def mask(sample):
    return np.asarray(sample.evidence.image) > 0


@pytest.fixture(scope="module")
def towers():
    """400 items of either size."""
    parts = {size: split("train", size=size) for size in SIZES}
    return {size: [part.item(index) for index in range(400)] for size, part in parts.items()}


@pytest.fixture(scope="module")
def removals():
    """20 items of either size."""
    made = {}
    for size in SIZES:
        part = split(task="causal-removal", size=size, test_size=20)
        made[size] = [part.item(index) for index in range(len(part))]
    return made


def shortcuts(item):
    """What a lazy eye would go by, of one tower."""
    x, _, width, height, _ = np.array(item.blocks).T
    offsets = np.diff(x)
    lean = abs(x[-1] - x[0])
    return {
        "number": len(x),
        "height": height.sum(),
        "lean": lean,
        "slope": lean / height.sum(),
        "largest offset": np.abs(offsets).max(),
        "mean offset": np.abs(offsets).mean(),
        "largest relative offset": np.abs(offsets / width[:-1]).max(),
        "spread": np.ptp(x),
        "widest block": width.max(),
    }


def best_threshold(values, labels):
    """Accuracy of the best single threshold, whichever side is which."""
    right = labels[np.argsort(values, kind="stable")]
    cuts = np.concatenate(([0], np.cumsum(np.where(right == 1, -1, 1))))
    accuracy = (cuts + (labels == 1).sum()) / len(labels)
    # Equal values cannot be told apart by a cut between them.
    ordered = np.sort(values)
    usable = np.concatenate(([True], ordered[1:] > ordered[:-1] + 1e-9, [True]))
    return max(accuracy[usable].max(), 1 - accuracy[usable].min())


def logistic(train, train_labels, test, test_labels):
    """Accuracy on the second half of a logistic regression on the first, by Newton's method."""
    mean, spread = train.mean(axis=0), train.std(axis=0) + 1e-9
    design, held_out = (np.c_[np.ones(len(one)), (one - mean) / spread] for one in (train, test))
    weights = np.zeros(design.shape[1])
    for _ in range(20):
        chance = expit(design @ weights)
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + np.eye(len(weights))
        weights += np.linalg.solve(curvature, design.T @ (train_labels - chance) - weights)
    return ((held_out @ weights > 0) == (test_labels == 1)).mean()


@pytest.mark.parametrize("size", SIZES)
def test_shortcuts_score_near_chance(towers, size):
    labels = np.array([one.label for one in towers[size]])
    table = [shortcuts(one) for one in towers[size]]
    alike = ("number", "height", "lean", "slope", "largest offset", "mean offset")
    for name in alike:
        values = np.array([row[name] for row in table])
        # Both towers of a pair have the same: no rule whatever tells them apart.
        np.testing.assert_allclose(values[0::2], values[1::2], atol=1e-9, err_msg=name)
    assert best_threshold(np.array([row["lean"] for row in table]), labels) == pytest.approx(0.5)
    assert best_threshold(np.array([row["spread"] for row in table]), labels) < 0.58
    features = np.array([list(row.values()) for row in table])
    half = len(labels) // 2
    assert logistic(features[:half], labels[:half], features[half:], labels[half:]) < 0.6


def test_the_local_rule_is_at_chance_on_three_blocks_and_more(towers):
    for found in towers.values():
        verdicts = {0: [], 1: []}
        for one in found:
            x, _, width, _, _ = np.array(one.blocks).T
            if len(x) > 2:
                verdicts[one.label].append(bool((np.abs(np.diff(x)) <= width[:-1] / 2).all()))
        stable, unstable = (np.mean(verdicts[label]) for label in (0, 1))
        assert stable == pytest.approx(unstable)
        assert 0.4 < stable < 0.6


def test_every_tower_is_what_its_label_says_with_room(towers):
    for one in itertools.chain(*towers.values()):
        margins = column_margins(one.blocks)
        assert (margins.min() > 0) == (one.label == 0)
        assert np.abs(margins).min() >= 0.05
        assert one.margin == margins.min()


@pytest.mark.parametrize(("size", "counts"), [("small", {2, 3, 4}), ("large", {5, 6, 7, 8})])
def test_sizes_are_numbers_of_blocks(towers, removals, size, counts):
    assert {len(one.blocks) for one in towers[size]} == counts
    assert {len(one.blocks) for one in removals[size]} <= counts


def test_without_the_red_block_they_end_as_the_label_says(removals):
    for one in itertools.chain(*removals.values()):
        before, after = settled([one.blocks, without(one.blocks, one.red)], 0.05)
        assert before is True
        assert after is (one.label == 0)


def test_pairs_differ_in_nothing_but_places(removals):
    for found in removals.values():
        for one, other in zip(found[0::2], found[1::2], strict=True):
            assert (one.kind, one.red, one.label) == (other.kind, other.red, 1 - other.label)
            sides = [[block[1:] for block in each.blocks] for each in (one, other)]
            np.testing.assert_allclose(*sides)
            resting = [{contact[:2] for contact in contacts(each.blocks)} for each in (one, other)]
            assert resting[0] == resting[1]


def test_all_kinds_of_assemblies_occur(removals):
    assert {one.kind for one in removals["small"]} == {"column", "bridge", "T", "pyramid"}


@pytest.mark.parametrize("task", TASKS)
def test_classes_are_balanced_and_take_no_turns(task):
    labels = split("train", task=task).labels
    assert sum(labels) == len(labels) / 2 == 1000
    assert 400 < sum(labels[::2]) < 600


@pytest.mark.parametrize("style", STYLES)
def test_a_picture_depends_on_seed_part_and_index_alone(style):
    part = split(style=style)
    assert digest(part, [5, 0, 3]) == digest(split(style=style, test_size=8), [5, 0, 3])
    assert digest(pickle.loads(pickle.dumps(part)), [2]) == digest(part, [2])
    assert digest(part, [2])[0][2] != digest(split(style=style, seed=1), [2])[0][2]
    assert digest(part, [2])[0][2] != digest(split("train", style=style), [2])[0][2]


def test_another_process_draws_the_same_pictures():
    program = (
        "import hashlib\n"
        "from rationale_plugins.datasets.blocks import Blocks, BlocksOptions\n"
        "part = Blocks(BlocksOptions()).split('other-style')\n"
        "print(hashlib.sha256(b''.join(part[i].image.tobytes() for i in (3, 0))).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    part = split("other-style")
    here = hashlib.sha256(b"".join(part[index].image.tobytes() for index in (3, 0))).hexdigest()
    assert told.strip() == here


def test_splits_of_other_options_are_the_same_pictures():
    small = {"test_size": 4}
    assert digest(split("other-style", **small), range(4)) == digest(split(style="photo", **small), range(4))
    assert digest(split("other-size", **small), range(2)) == digest(split(size="large", **small), range(2))
    other = split(task="causal-removal", style="photo", **small)
    assert digest(split("other-style-task", **small), range(2)) == digest(other, range(2))


def test_styles_show_the_same_assemblies():
    plain, photo = split(), split("other-style")
    assert [plain.item(index) for index in range(6)] == [photo.item(index) for index in range(6)]


def test_what_splits_are_like_is_told():
    dataset = Blocks(BlocksOptions(task="causal-removal"))
    own = {"task": "causal-removal", "size": "small", "style": "cubeworld"}
    assert dataset.factors("train") == dataset.factors("test") == own
    assert dataset.factors("other-all") == {"task": "stability", "size": "large", "style": "photo"}
    assert all(
        len(set(dataset.factors(name).items()) - set(own.items())) == len(SPLITS[name].changed)
        for name in dataset.splits
    )
    assert set(dataset.evaluation) <= set(dataset.splits)


def test_tasks_share_classes_and_differ_in_prompts():
    dataset = Blocks(BlocksOptions())
    assert dataset.task == dataset.task_of("test") == dataset.task_of("other-style")
    other = dataset.task_of("other-task")
    assert other.classnames == dataset.task.classnames == CLASSES
    assert not set(other.templates) & set(dataset.task.templates)
    assert [len(texts) for texts in dataset.task.texts] == [2, 2]
    assert other.question != dataset.task.question
    assert set(other.answers) == set(CLASSES)


@pytest.mark.parametrize("style", STYLES)
def test_evidence_of_a_falling_tower_is_where_it_tips_over(style):
    part = split(style=style)
    for index in range(8):
        item, sample = part.item(index), part[index]
        blocks = {name: np.asarray(one) > 0 for name, one in part.parts(index).items()}
        assert len(blocks) == len(item.blocks)
        if item.label == 0:
            expected = range(len(item.blocks))
        else:
            upper = int(np.flatnonzero(column_margins(item.blocks) < 0)[0])
            expected = (upper - 1, upper)
        union = np.any([blocks[f"block-{one}"] for one in expected], axis=0)
        np.testing.assert_array_equal(mask(sample), union)


def test_evidence_of_a_removal_is_the_red_block_and_what_it_holds():
    part = split(task="causal-removal", test_size=6)
    for index in range(6):
        item, sample = part.item(index), part[index]
        blocks = [np.asarray(one) > 0 for one in part.parts(index).values()]
        red = np.asarray(sample.image).astype(int)[blocks[item.red]]
        assert (red[:, 0] > red[:, 1:].max(axis=1) + 40).mean() > 0.75
        assert mask(sample)[blocks[item.red]].all()
        resting = {one.upper for one in contacts(item.blocks) if one.lower == item.red}
        assert all(mask(sample)[blocks[one]].all() for one in resting)
        below = [one for one, block in enumerate(item.blocks) if block.bottom < item.blocks[item.red].bottom]
        assert not any(mask(sample)[blocks[one] & ~blocks[item.red]].any() for one in below)


@pytest.mark.parametrize(("size", "style"), list(itertools.product(SIZES, STYLES)))
def test_masks_cover_the_blocks_and_nothing_is_cut(size, style):
    part = split(size=size, style=style)
    window = {"small": 3.5, "large": 5.6}[size]
    for index in range(0, 40, 4):
        area = sum(block.width * block.height for block in part.item(index).blocks)
        whole = np.any([np.asarray(one) > 0 for one in part.parts(index).values()], axis=0)
        assert not (whole[0].any() or whole[-1].any() or whole[:, 0].any() or whole[:, -1].any())
        shown = whole.mean() * window**2 / area
        assert 0.8 < shown < 1.2 if style == "cubeworld" else 0.6 < shown < 1.3


def test_margin_camera_texture_and_sizes_are_options():
    near = split(margin=0.01)
    assert 0.01 <= min(np.abs(column_margins(near.item(one).blocks)).min() for one in range(40)) < 0.03
    equal = split(random_sizes=False)
    assert {len(equal.item(one).blocks) for one in range(20)} == {3, 4}
    assert {block[2:] for one in range(20) for block in equal.item(one).blocks} == {(1.0, 0.575, 1.0)}
    usual = np.asarray(split()[0].image).astype(int)
    for changed in ({"random_camera": True}, {"random_texture": True}):
        assert np.abs(usual - np.asarray(split(**changed)[0].image)).mean() > 2
    still = split(style="photo", random_camera=False, pixels=128)
    plain = split(pixels=128)
    assert all(np.array_equal(mask(still[one]), mask(plain[one])) for one in range(3))


def test_facts_hold_the_geometry():
    part = split(task="causal-removal", test_size=4, seed=3)
    for index in range(4):
        item, facts = part.item(index), part.facts(index)
        told = json.loads(facts["geometry-json"])
        np.testing.assert_allclose(told["blocks"], item.blocks, atol=1e-6)
        assert (told["kind"], told["red"]) == (item.kind, item.red)
        assert facts["n_blocks"] == len(item.blocks)
        assert facts["seed"] == 3
        assert (facts["margin"] is None) == (item.kind != "column")


def test_fingerprints_follow_the_options():
    seen = {Blocks(BlocksOptions(**one)).fingerprint for one in ({}, {"seed": 1}, {"size": "large"})}
    assert len(seen) == 3


def test_an_unknown_split_is_refused():
    with pytest.raises(InputError, match="other-style"):
        split("other-colour")


def test_what_it_holds_is_known_beforehand():
    options = BlocksOptions(train_size=6, test_size=4)
    told, dataset = Blocks.nominal(options), Blocks(options)
    assert told.splits == {name: len(dataset.split(name)) for name in dataset.splits}
    assert (told.evaluation, told.classes) == (dataset.evaluation, len(dataset.task.classnames))
