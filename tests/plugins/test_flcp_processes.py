"""FLCP in two processes: negatives of all of them, or each process its own."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from rationale_plugins.methods.flcp import Flcp

from rationale_cli.testing import FakeModel, ToyDataset

PROCESSES, BATCH = 2, 8
VARIANTS = {
    "fixed": {},
    "learned": {"temperature": "learned"},
    "soft": {"targets": "soft"},
}


def computed(gather: bool, variant: str, rows: slice) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients of these rows of one and the same batch."""
    torch.manual_seed(0)
    options = Flcp.Options(gather=gather, **VARIANTS[variant])
    step = Flcp(options).build(FakeModel(), ToyDataset().task).step
    size = step.classifier.model.preprocessing.size
    images, labels = torch.randn(BATCH, 3, size, size), torch.arange(BATCH) % 3
    loss = step(images[rows], labels[rows])
    loss.backward()
    return loss.detach(), {name: one.grad for name, one in step.named_parameters() if one.grad is not None}


def one_of_two(rank: int, folder: Path) -> None:
    """What one process computes of its half, with gradients averaged as training does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    size = BATCH // PROCESSES
    mine = slice(rank * size, (rank + 1) * size)
    found = {}
    for gather in (True, False):
        for variant in VARIANTS:
            loss, gradients = computed(gather, variant, mine)
            for one in gradients.values():
                dist.all_reduce(one)
                one /= PROCESSES
            found[str(gather), variant] = loss, gradients
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of the two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=one_of_two, args=(rank, folder)) for rank in range(PROCESSES)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(timeout=300)
        assert one.exitcode == 0
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_gathered_negatives_give_what_one_process_computes_of_the_whole_batch(shared, variant) -> None:
    loss, gradients = computed(True, variant, slice(BATCH))
    for found, ours in (one["True", variant] for one in shared):
        torch.testing.assert_close(found, loss)
        assert ours.keys() == gradients.keys()
        for name, one in gradients.items():
            torch.testing.assert_close(ours[name], one, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_gathering_each_process_sees_its_own_pictures_alone(shared, variant) -> None:
    size = BATCH // PROCESSES
    for rank, found in enumerate(shared):
        loss, _ = computed(False, variant, slice(rank * size, (rank + 1) * size))
        torch.testing.assert_close(found["False", variant][0], loss)
        assert not torch.isclose(found["False", variant][0], found["True", variant][0])
