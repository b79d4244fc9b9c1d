"""Tasks as jobs: submitit's local executor, and what SLURM would be asked for."""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
import time

import pytest

from rationale_cli.errors import InputError
from rationale_cli.launchers import launched
from rationale_cli.recipe.launching import SlurmOptions

from .tasks import Double, Killed, Raises, Timed, all_ended

pytest.importorskip("submitit")
launchers_slurm = importlib.import_module("rationale_cli.launchers.slurm")


@pytest.fixture
def notes():
    return []


@pytest.fixture
def launch(tmp_path, notes):
    def begin(**settings):
        return launched(SlurmOptions(**settings), tmp_path / "jobs" / "j", "test", notes.append)

    return begin


def test_without_slurm_jobs_are_processes_of_this_machine(launch, notes):
    ended = all_ended(launch(), [Double(number) for number in range(2)])
    assert [(one.value, one.lost) for one in ended] == [(0, ""), (2, "")]
    assert "There is no SLURM here" in notes[0]


def test_so_many_at_once_as_there_are_cpus(launch, notes):
    assert launch(cluster="local").at_once == os.cpu_count()
    assert launch(cluster="local", cpus=4096).at_once == 1
    assert launch(cluster="local", workers=7).at_once == 7
    assert notes == []


def test_a_lost_job_is_replaced(launch, tmp_path):
    (tmp_path / "tries").mkdir()
    (ended,) = all_ended(launch(retries=1), [Killed(tmp_path / "tries", 1)])
    assert (ended.value, ended.lost) == (1, "")


def test_a_job_that_is_lost_too_often_is_told(launch, tmp_path):
    (tmp_path / "tries").mkdir()
    (ended,) = all_ended(launch(retries=0), [Killed(tmp_path / "tries", 1)])
    assert "ended without a result" in ended.lost
    assert len(list((tmp_path / "tries").iterdir())) == 1


def test_what_raises_is_not_tried_again(launch, tmp_path):
    (tmp_path / "tries").mkdir()
    (ended,) = all_ended(launch(), [Raises(tmp_path / "tries")])
    assert "no such thing" in ended.lost
    assert len(list((tmp_path / "tries").iterdir())) == 1


@pytest.mark.parametrize("heeded", [True, False], ids=["", "in the background of a shell"])
def test_what_still_runs_is_cancelled(launch, heeded):
    before = signal.signal(signal.SIGINT, signal.default_int_handler if heeded else signal.SIG_IGN)
    try:
        _cancelled(launch())
        assert (signal.getsignal(signal.SIGINT) is signal.SIG_IGN) == (not heeded)
    finally:
        signal.signal(signal.SIGINT, before)


def _cancelled(launcher):
    launcher.submit([Timed(600.0)])
    list(launcher.ended(1.0))
    (job,) = [one.job for one in launcher._open]
    launcher.close()
    deadline = time.monotonic() + 60
    while not job.done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_slurm_is_not_here(launch):
    with pytest.raises(InputError, match=r"launcher\.cluster=local"):
        launch(cluster="slurm")


SBATCH = """\
cat "$1" >> {0}/asked
[ ! -e {0}/refuse ] || exit 1
id={1}$(ls {0} | grep -c ^state)
echo RUNNING > {0}/state.$id
sed "s/%j/$id/g; s/%t/0/g" "$1" > {0}/script.$id
(SLURM_JOB_ID=$id setsid sh {0}/script.$id > {0}/out.$id 2>&1 && state=COMPLETED || state=FAILED
 echo $state > {0}/state.$id) > {0}/log 2>&1 &
echo "Submitted batch job $id"
"""

SACCT = """\
echo "JobID|State|NodeList"
for one in {0}/state.*; do echo "${{one##*.}}|$(cat $one)|here"; done
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """SLURM's commands on one machine; job numbers are new in every test, for submitit remembers them."""
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    for name, script in {
        "srun": 'shift 5\nexec "$@"',
        "sbatch": SBATCH.format(cluster, random.randrange(10**6, 10**7)),
        "sacct": SACCT.format(cluster),
        "scancel": f"echo $1 >> {cluster}/cancelled",
    }.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for name, value in {"NTASKS": 1, "JOB_NUM_NODES": 1, "NODEID": 0, "PROCID": 0, "LOCALID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    return cluster


def test_tasks_are_carried_out_by_slurm(launch, slurm, notes):
    ended = all_ended(launch(), [Double(1)]) + all_ended(launch(), [Double(2)])
    assert [(one.value, one.lost) for one in ended] == [(2, ""), (4, "")]
    assert notes == []


def test_a_job_that_slurm_lost_is_replaced(launch, slurm, tmp_path, monkeypatch):
    monkeypatch.setitem(launchers_slurm._PATIENCE, "slurm", 0.5)
    (tmp_path / "tries").mkdir()
    (ended,) = all_ended(launch(retries=1), [Killed(tmp_path / "tries", 1)])
    assert (ended.value, ended.lost) == (1, "")


def test_what_slurm_is_asked_for(launch, slurm, notes):
    launcher = launch(
        cpus=4, gpus=1, memory=16, time=90, partition="gpu", account="us", sbatch={"qos": "long"}
    )
    assert launcher.at_once == sys.maxsize
    launcher.submit([Double(1)])
    asked = (slurm / "asked").read_text()
    for word in (
        "cpus-per-task=4", "gpus-per-node=1", "mem=16GB", "time=90", "partition=gpu", "account=us",
        "qos=long", "job-name=test",
    ):  # fmt: skip
        assert f"#SBATCH --{word}\n" in asked
    assert notes == []
    launcher.close()
    assert (slurm / "cancelled").read_text().strip().isdecimal()


def test_a_job_that_slurm_refuses_is_told(launch, slurm):
    (slurm / "refuse").touch()
    with pytest.raises(InputError, match="refused them"):
        launch(partition="none").submit([Double(1)])


def test_without_the_package_its_name_is_told(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "rationale_cli.launchers.slurm", raising=False)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"package submitit .*\n.*pip install 'rationale\[slurm\]'"):
        launched(SlurmOptions(), tmp_path, "test", print)
