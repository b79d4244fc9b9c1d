"""What the user writes after ``--weights``, and where published files lie."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from rationale_cli.contracts import Checkpoint
from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import cached, locate, place, verified

CONTENT = b"these are weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://weights.invalid/models/net.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and nothing is fetched."""
    monkeypatch.setenv("RATIONALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache" / "weights"


def by_hand(checkpoint, content=CONTENT):
    path = place(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def in_hub(folder, content=CONTENT, name=SHA256, file="model.safetensors"):
    """A file as the hub's client keeps it: a link to what is named by its hash."""
    repository = Path(folder) / "models--owner--net"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "blobs").mkdir()
    (repository / "blobs" / name).write_bytes(content)
    path = repository / "snapshots" / "abc" / file
    path.parent.mkdir(parents=True)
    path.symlink_to(repository / "blobs" / name)
    return path


def test_none_is_no_file():
    assert locate("none", {}, "net") == ()


def test_a_file_is_itself(tmp_path):
    (tmp_path / "mine.pt").touch()
    assert locate(str(tmp_path / "mine.pt"), {}, "net") == (tmp_path / "mine.pt",)


def test_a_name_comes_before_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").touch()
    checkpoint = Checkpoint(URL)
    path = by_hand(checkpoint)
    assert locate("base", {"base": checkpoint}, "net") == (path,)
    assert locate("./base", {"base": checkpoint}, "net") == (Path("base"),)


def test_the_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.pt").touch()
    assert locate("~/mine.pt", {}, "net") == (tmp_path / "mine.pt",)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["model.safetensors", "pytorch_model.bin"], "model.safetensors"),
        (["pytorch_model.bin", "config.json"], "pytorch_model.bin"),
        (["open_clip_model.safetensors"], "open_clip_model.safetensors"),
    ],
)
def test_a_folder_is_its_weights(tmp_path, files, found):
    for name in files:
        (tmp_path / name).touch()
    assert locate(str(tmp_path), {}, "net") == (tmp_path / found,)


def write_index(folder, *names):
    index = {"weight_map": {f"tensor.{number}": name for number, name in enumerate((*names, *names))}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards_are_found_by_their_index(tmp_path):
    write_index(tmp_path, "b.safetensors", "a.safetensors")
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(InputError, match=r"lack b\.safetensors"):
        locate(str(tmp_path), {}, "net")
    (tmp_path / "b.safetensors").touch()
    assert locate(str(tmp_path), {}, "net") == (tmp_path / "a.safetensors", tmp_path / "b.safetensors")


@pytest.mark.parametrize("content", ["[]", "{}", "no json", '{"weight_map": {}}', '{"weight_map": [1]}'])
def test_an_index_that_names_nothing_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(InputError, match=r"Expected (an index|all shards)"):
        locate(str(tmp_path), {}, "net")


def test_an_index_cannot_point_elsewhere(tmp_path):
    (tmp_path / "out.safetensors").touch()
    (tmp_path / "in").mkdir()
    write_index(tmp_path / "in", "../out.safetensors")
    with pytest.raises(InputError, match=r"lack out\.safetensors"):
        locate(str(tmp_path / "in"), {}, "net")


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"found none of model\.safetensors"):
        locate(str(tmp_path), {}, "net")


def test_a_typing_error_is_told():
    with pytest.raises(InputError, match=r"net.*but got 'bsae'\. Did you mean 'base'\? Known: base, none"):
        locate("bsae", {"base": Checkpoint(URL)}, "net")


# -- the cache --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "below"),
    [
        (URL, "weights.invalid/models/net.pth"),
        ("http://127.0.0.1:8000/a%20b.pt", "127.0.0.1-8000/a b.pt"),
        (
            "hf://owner/net/sub/model.safetensors",
            "huggingface.co/owner/net/resolve/main/sub/model.safetensors",
        ),
        ("hf://owner/net@v2/model.bin", "huggingface.co/owner/net/resolve/v2/model.bin"),
    ],
)
def test_every_address_has_its_place(cache, url, below):
    assert place(Checkpoint(url)) == cache / below


def test_addresses_that_differ_in_their_query_have_two_places():
    places = {place(Checkpoint(f"{URL}{query}")) for query in ("", "?id=1", "?id=2")}
    assert len(places) == 3


@pytest.mark.parametrize(
    "url", ["https://weights.invalid", "https://weights.invalid/a/../../../b.pt", "hf://owner/net", "hf://x"]
)
def test_an_address_without_a_file_is_refused(url):
    with pytest.raises(InputError):
        place(Checkpoint(url))


def test_the_cache_is_the_user_s_where_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("RATIONALE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert place(Checkpoint(URL)).is_relative_to(tmp_path / "xdg" / "rationale" / "weights")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place(Checkpoint(URL)).is_relative_to(tmp_path / ".cache" / "rationale" / "weights")


@pytest.mark.parametrize("url", [URL, "hf://owner/net/model.safetensors"])
def test_without_a_network_one_error_says_all_and_its_place_works(url, monkeypatch):
    monkeypatch.setattr("socket.create_connection", unreachable)
    checkpoint = Checkpoint(url, size=2_000_000_000, note="the paper's")
    with pytest.raises(InputError) as caught:
        locate("base", {"base": checkpoint}, "net")
    error = caught.value
    assert "the weights 'base' of net" in error.what
    assert "could not be fetched" in error.what
    assert "(2.0 GB; the paper's)" in error.where
    assert error.where.startswith("https://")
    assert f"put it at {place(checkpoint)}" in error.next_step
    assert cached(checkpoint) is None
    small = Checkpoint(url, size=len(CONTENT), sha256=SHA256)
    path = by_hand(small)
    assert cached(small) == path
    assert locate("base", {"base": small}, "net") == (path,)


def unreachable(*_, **__):
    raise OSError("Name or service not known")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"size": 3}, "3 bytes but got 17 bytes"),
        ({"sha256": "0" * 64}, f"SHA-256 {'0' * 64} but got {SHA256}"),
        ({"sha256": "ABCD"}, "SHA-256 abcd but got"),
    ],
)
@pytest.mark.parametrize("hub", [False, True])
def test_a_file_that_is_not_what_was_published_is_refused_and_left(tmp_path, facts, told, hub):
    checkpoint = Checkpoint("hf://owner/net/model.safetensors", **facts)
    path = in_hub(tmp_path / "hub") if hub else by_hand(checkpoint)
    for _ in range(2):
        with pytest.raises(InputError, match=told) as caught:
            locate("base", {"base": checkpoint}, "net")
    assert caught.value.where == str(path.resolve())
    assert path.is_file()


def test_the_first_digits_of_a_hash_are_enough():
    checkpoint = Checkpoint(URL, sha256=SHA256[:8].upper())
    path = by_hand(checkpoint)
    assert locate("base", {"base": checkpoint}, "net") == (path,)
    assert verified(path, checkpoint).known == "published"


def test_a_file_of_no_known_hash_is_held_against_its_first_use():
    checkpoint = Checkpoint(URL)
    path = by_hand(checkpoint)
    assert verified(path).known == "nothing"
    assert locate("base", {"base": checkpoint}, "net") == (path,)
    assert json.loads(path.with_name("net.pth.json").read_text())["sha256"] == SHA256
    assert verified(path).known == "first use"
    os.utime(path, (1, 1))
    assert locate("base", {"base": checkpoint}, "net") == (path,)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=f"SHA-256 {SHA256} but got"):
        locate("base", {"base": checkpoint}, "net")
    path.with_name("net.pth.json").unlink()
    assert locate("base", {"base": checkpoint}, "net") == (path,)


def test_a_published_hash_counts_more_than_first_use():
    path = by_hand(Checkpoint(URL), b"older weights")
    locate("base", {"base": Checkpoint(URL)}, "net")
    by_hand(Checkpoint(URL))
    assert locate("base", {"base": Checkpoint(URL, sha256=SHA256)}, "net") == (path,)
    assert verified(path).sha256 == SHA256


def test_an_untouched_file_is_not_read_again(monkeypatch):
    checkpoint = Checkpoint(URL, size=len(CONTENT), sha256=SHA256)
    path = by_hand(checkpoint)
    locate("base", {"base": checkpoint}, "net")
    monkeypatch.setattr("rationale_cli.toolkit.weights.cache.sha256_of", unreachable)
    assert locate("base", {"base": checkpoint}, "net") == (path,)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"url": 1, "size": "x", "sha256": 2, "modified": 3}'])
def test_a_damaged_record_is_made_anew(record):
    checkpoint = Checkpoint(URL)
    path = by_hand(checkpoint)
    path.with_name("net.pth.json").write_text(record)
    assert locate("base", {"base": checkpoint}, "net") == (path,)
    assert verified(path).known == "first use"


def test_the_hub_s_cache_is_used(tmp_path):
    path = in_hub(tmp_path / "hub")
    checkpoint = Checkpoint("hf://owner/net/model.safetensors", size=len(CONTENT), sha256=SHA256)
    assert cached(checkpoint) == path
    assert locate("base", {"base": checkpoint}, "net") == (path,)
    assert verified(path).known == "hub"
    assert verified(path, checkpoint).known == "published"
    assert list(path.parent.iterdir()) == [path]


def test_damage_in_the_hub_s_cache_is_found(tmp_path):
    path = in_hub(tmp_path / "hub", content=b"damaged")
    with pytest.raises(InputError, match=f"SHA-256 {SHA256} but got"):
        verified(path)


def test_small_files_of_the_hub_are_hashed_where_their_hash_is_published(tmp_path):
    path = in_hub(tmp_path / "hub", name="0" * 40)
    right = Checkpoint("hf://owner/net/model.safetensors", sha256=SHA256)
    assert locate("base", {"base": right}, "net") == (path,)
    assert locate("base", {"base": Checkpoint(right.url)}, "net") == (path,)
    with pytest.raises(InputError, match="SHA-256 0123"):
        locate("base", {"base": Checkpoint(right.url, sha256="0123")}, "net")
