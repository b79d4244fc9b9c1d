"""TorchScript archives: their tensors, and never their code."""

from __future__ import annotations

import io
import pickle
import zipfile

import pytest
import torch
from torch import nn

from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import read_tensors

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


class Net(nn.Module):
    """Parameters, buffers, lists, nested modules, half precision, a view and a tied layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2)
        self.blocks = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4))
        self.tied = self.blocks[0]
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.low = nn.Parameter(torch.randn(3).half())
        self.view = nn.Parameter(torch.randn(6, 5)[1:, 2:4].t())
        self.register_buffer("resolution", torch.tensor(224))
        self.register_buffer("empty", torch.zeros(0))
        self.sizes = [1, 2]

    def forward(self, images):
        tokens = self.conv(images).flatten(2).transpose(1, 2)
        return self.tied(self.blocks(tokens)) * self.scale + self.resolution + self.low.sum()


def scripted():
    torch.manual_seed(0)
    return torch.jit.script(Net())


def traced():
    torch.manual_seed(0)
    return torch.jit.trace(Net(), torch.zeros(1, 3, 8, 8))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "net.pt"
    torch.jit.save(scripted(), path)
    return path


@pytest.mark.parametrize("make", [scripted, traced])
def test_its_tensors_are_those_of_its_state(tmp_path, make):
    module = make()
    torch.jit.save(module, tmp_path / "net.pt")
    found, wanted = read_tensors(tmp_path / "net.pt"), module.state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


def changed(source, target, **contents):
    """A copy of an archive with files replaced, or left out where None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            name = info.filename.partition("/")[2]
            content = contents.pop(name, old.read(info))
            if content is not None:
                new.writestr(info.filename, content)
        for name, content in contents.items():
            new.writestr(f"net/{name}", content)
    return target


def pickled(*steps):
    """A pickle of opcodes, written out."""
    return b"\x80\x02" + b"".join(steps) + b"."


def word(text):
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def storage(kind="FloatStorage", key="0", length=1):
    number = b"J" + length.to_bytes(4, "little")
    return b"(" + word("storage") + f"ctorch\n{kind}\n".encode() + word(key) + word("cpu") + number + b"tQ"


def tensor(of, shape=b")", strides=b")", offset=b"K\x00"):
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + of + offset + shape + strides + b"\x89}tR"


def module(*attributes):
    return b"c__torch__\nNet\n)\x81}(" + b"".join(attributes) + b"ub"


def calling(function, argument):
    place, name = function.rsplit(".", 1)
    return f"c{place}\n{name}\n(".encode() + word(argument) + b"tR"


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "torch.load", "torch.jit._pickle.evil"])
def test_a_hostile_archive_is_refused_and_runs_nothing(archive, tmp_path, function):
    trap = tmp_path / "made"
    hostile = pickled(module(word("x"), calling(function, f"touch {trap}")))
    path = changed(archive, tmp_path / "net.pt", **{"data.pkl": hostile})
    with pytest.raises(InputError) as caught:
        read_tensors(path)
    assert f"it asks for {function}, which may run code" in caught.value.what
    assert "nothing in it was run" in caught.value.next_step
    assert caught.value.where == str(path)
    assert not trap.exists()


def test_what_a_pickle_does_to_a_stand_in_does_not_last(archive, tmp_path):
    name = b"ctorch._utils\n_rebuild_tensor_v2\n"
    slots = b"N}" + word("__defaults__") + b")s\x86b0"
    path = changed(archive, tmp_path / "net.pt", **{"data.pkl": pickled(name, slots, module())})
    assert read_tensors_or_refuse(path)
    assert "scale" in read_tensors(archive)


def read_tensors_or_refuse(path):
    with pytest.raises(InputError):
        read_tensors(path)
    return True


REFUSED = {
    "more than the storage": (
        module(word("x"), tensor(storage(), b"K\x05\x85", b"K\x00\x85")),
        "reads more than its 1 numbers",
    ),
    "beyond the storage": (module(word("x"), tensor(storage(), offset=b"K\x05")), "could not read it"),
    "another length": (module(word("x"), tensor(storage(length=7))), "instead of 7"),
    "an odd storage": (module(word("x"), b"K\x05Q"), "which is no storage"),
    "a missing storage": (module(word("x"), tensor(storage(key="99"))), "could not read it"),
    "a path for a key": (module(word("x"), tensor(storage(key="../data.pkl"))), "could not read it"),
    "a state that is none": (b"c__torch__\nNet\n)\x81K\x05b", "the state of a module is int"),
    "no module": (b"K\x05", "is no module but int"),
    "itself": (b"c__torch__\nNet\n)\x81q\x00}(" + word("x") + b"h\x00ub", "contains itself"),
    "nothing": (b"", "could not read it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_odd_trees_are_refused(archive, tmp_path, case):
    content, told = REFUSED[case]
    tree = pickled(content)
    path = changed(archive, tmp_path / "net.pt", **{"data.pkl": tree, "data/0": b"\0\0\0\0"})
    with pytest.raises(InputError, match=told):
        read_tensors(path)


def test_the_crafted_tensor_itself_is_sound(archive, tmp_path):
    tree = pickled(module(word("x"), tensor(storage())))
    path = changed(archive, tmp_path / "net.pt", **{"data.pkl": tree, "data/0": b"\0\0\x80?"})
    assert read_tensors(path) == {"x": torch.tensor(1.0)}


def test_other_damage_is_told(archive, tmp_path):
    for change, told in (
        ({"byteorder": b"big"}, "little-endian"),
        ({"data.pkl": None}, "0 files data.pkl"),
        ({"other/data.pkl": b""}, "2 files data.pkl"),
    ):
        with pytest.raises(InputError, match=told):
            read_tensors(changed(archive, tmp_path / "net.pt", **change))


def test_compressed_numbers_are_refused(archive, tmp_path):
    with (
        zipfile.ZipFile(archive) as old,
        zipfile.ZipFile(tmp_path / "net.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    with pytest.raises(InputError, match="compressed"):
        read_tensors(tmp_path / "net.pt")


def test_the_crafted_pickles_are_what_python_reads():
    class Plain(pickle.Unpickler):
        def find_class(self, module, name):
            return (module, name)

    assert Plain(io.BytesIO(pickled(b"cos\nsystem\n"))).load() == ("os", "system")
