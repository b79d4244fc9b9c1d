import pytest
import torch
from rationale_plugins.models.tiny_clip import TinyClip

from rationale_cli.engine.shuffled import shuffled


@pytest.mark.parametrize(("share", "least"), [(0.0, 0), (0.5, 1), (1.0, 1)])
def test_the_last_tensors_are_shuffled_and_restored(share: float, least: int) -> None:
    model = TinyClip(TinyClip.Options()).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    tower = list(model.parameters_of("image_features"))
    before = [tensor.detach().clone() for tensor in tower]
    with torch.no_grad():
        features = model.image_features(images)
        with shuffled(model, share):
            changed = [not torch.equal(*pair) for pair in zip(tower, before, strict=True)]
            values = [tensor.detach().flatten().sort().values for tensor in tower]
            assert torch.equal(model.image_features(images), features) == (share == 0)
        assert torch.equal(model.image_features(images), features)
    assert changed[0] == (share == 1)
    assert sum(changed) >= least * share * len(tower) // 2
    for one, other in zip(values, before, strict=True):
        assert torch.equal(one, other.flatten().sort().values)
