"""Fetching from a real server: resumed, checked, and kept only when it is right."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from rationale_cli.contracts import Checkpoint
from rationale_cli.errors import InputError, WorkError
from rationale_cli.toolkit.weights import cached, locate, place

from ...serving import serving

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("RATIONALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr("time.sleep", lambda _: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        running.files["/net.pth"] = CONTENT
        yield running


def get(server, **facts):
    return fetched(checkpoint(server, **facts))


def checkpoint(server, **facts):
    return Checkpoint(f"{server.url}/net.pth", **facts)


def fetched(one):
    (path,) = locate("base", {"base": one}, "net")
    return path


def files(server):
    """What is kept beside the file, but for the lock."""
    folder = place(checkpoint(server)).parent
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize(
    "facts", [{}, {"size": len(CONTENT)}, {"sha256": SHA256}, {"size": len(CONTENT), "sha256": SHA256[:10]}]
)
def test_a_file_is_fetched_once(server, facts, capsys):
    path = get(server, **facts)
    assert path.read_bytes() == CONTENT
    assert path == place(checkpoint(server))
    assert files(server) == ["net.pth", "net.pth.json"]
    assert f"Fetching {server.url}/net.pth (300.0 kB)" in capsys.readouterr().err
    assert get(server, **facts) == path
    assert server.fetched() == [None]


def test_a_broken_connection_is_taken_up_at_once(server):
    server.cuts = [100_000, 50_000]
    assert get(server).read_bytes() == CONTENT
    assert server.fetched() == [None, "bytes=100000-", "bytes=150000-"]


def test_an_interrupted_download_goes_on_the_next_time(server, capsys):
    server.cuts = [100_000, *[0] * 20]
    with pytest.raises(InputError, match="could not be fetched"):
        get(server)
    assert len(files(server)) == 1
    server.cuts, server.asked = [], []
    capsys.readouterr()
    assert get(server, sha256=SHA256).read_bytes() == CONTENT
    assert server.fetched() == ["bytes=100000-"]
    assert "going on after 100.0 kB" in capsys.readouterr().err
    assert files(server) == ["net.pth", "net.pth.json"]


def interrupted(server):
    server.cuts = [100_000, *[0] * 20]
    with pytest.raises(InputError):
        get(server)
    server.cuts, server.asked = [], []


def test_a_server_that_knows_no_ranges_begins_anew(server):
    server.ranges = False
    interrupted(server)
    assert get(server).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_begins_anew(server):
    interrupted(server)
    server.files["/net.pth"] = CONTENT[::-1]
    assert get(server).read_bytes() == CONTENT[::-1]
    assert server.fetched() == [None]
    assert files(server) == ["net.pth", "net.pth.json"]


def test_a_server_that_tells_nothing_beforehand_is_asked_all_the_same(server):
    server.heads = False
    assert get(server).read_bytes() == CONTENT
    interrupted_path = place(checkpoint(server))
    interrupted_path.unlink()
    interrupted(server)
    assert get(server).read_bytes() == CONTENT
    assert server.fetched() == [None]


def test_another_size_is_refused_before_anything_is_fetched(server):
    with pytest.raises(WorkError, match="Expected 5 bytes but the server offers 300000"):
        get(server, size=5)
    assert server.fetched() == []
    assert cached(checkpoint(server)) is None


def test_another_size_is_refused_where_the_server_does_not_tell_it(server):
    server.heads = False
    with pytest.raises((WorkError, InputError), match="5"):
        get(server, size=5)
    assert cached(checkpoint(server)) is None
    assert get(server, size=len(CONTENT)).read_bytes() == CONTENT


def test_another_hash_is_refused_and_nothing_is_kept(server):
    with pytest.raises(WorkError, match=r"was not kept\. Expected SHA-256 abcdef but got") as caught:
        get(server, sha256="abcdef")
    assert caught.value.where == f"{server.url}/net.pth"
    assert "--weights FILE" in caught.value.next_step
    assert files(server) == []


def test_google_s_checksum_is_held_against_the_file(server):
    server.tell_md5(CONTENT)
    path = get(server)
    path.unlink()
    server.tell_md5(b"something else")
    with pytest.raises(WorkError, match=r"was not kept\. Expected MD5"):
        get(server)
    assert cached(checkpoint(server)) is None


@pytest.mark.parametrize("told", ["crc32c=AAAAAA==", "md5=not base 64", ""])
def test_a_checksum_that_says_nothing_is_passed_over(server, told):
    server.headers["x-goog-hash"] = told
    assert get(server).read_bytes() == CONTENT


def test_a_missing_file_is_told(server):
    with pytest.raises(InputError, match="404"):
        fetched(Checkpoint(f"{server.url}/other.pth"))


def test_a_server_that_is_not_there_is_told(server):
    with serving() as gone:
        address = f"{gone.url}/net.pth"
    with pytest.raises(InputError, match="could not be fetched") as caught:
        fetched(Checkpoint(address, size=17))
    assert caught.value.where == f"{address} (17 bytes)"


def test_offline_nothing_is_asked(server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        get(server)
    assert server.asked == []


def test_a_full_disk_is_told_beforehand(server, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(WorkError, match=r"Expected room for 300\.0 kB but the disk has 1\.0 kB"):
        get(server)
    assert server.fetched() == []


def test_of_several_at_once_one_fetches(server):
    found = []
    threads = [threading.Thread(target=lambda: found.append(get(server))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [path.read_bytes() == CONTENT for path in found] == [True] * 4
    assert server.fetched() == [None]
