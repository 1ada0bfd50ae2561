"""Claims of other hosts: the scheduler's word counts, and where nobody can tell, nothing is run twice."""

from __future__ import annotations

import pytest

from pfd.errors import RunError
from pfd.json_file import write_json
from pfd.schedulers.settings import JobRequest
from pfd.tasks.folder import Resources, TaskFolder, TaskSpec
from pfd.tasks.process import this_process
from pfd.workflow.holders import close_attempts, refuse_foreign_holders, release_claims


@pytest.fixture
def claimed(tmp_path, monkeypatch):
    """A task that process 7 of another host has claimed; what the scheduler says of its job."""

    def make(says, job="slurm:12", request=None):
        monkeypatch.setattr("pfd.tasks.process.job_state", lambda job: says)
        folder = TaskFolder.create(
            tmp_path / "f" / "iter-000" / "label", 0, TaskSpec("label", {}, resources=Resources(job=request))
        )
        claim = this_process().model_copy(update={"host": "login1", "pid": 7, "job": job})
        (folder.path / "attempts" / "00").mkdir(parents=True, exist_ok=True)
        write_json(folder.path / "attempts" / "00" / "claim.json", claim.model_dump())
        return folder

    return make


def test_a_claim_of_another_host_is_stale_only_if_the_scheduler_says_so(claimed):
    folder = claimed("gone")
    assert folder.claimed_by() is None
    assert folder.claim().name == "01"


@pytest.mark.parametrize(("says", "job"), [("alive", "slurm:12"), ("unknown", "slurm:12"), ("gone", "")])
def test_else_it_holds(claimed, says, job):
    folder = claimed(says, job)
    assert folder.claimed_by() is not None
    assert folder.claim() is None


def test_where_nobody_can_tell_the_run_stops_and_says_what_to_do(claimed, tmp_path):
    with pytest.raises(RunError, match=r"process 7 on login1 holds it, and from \S+ nobody can tell") as raised:
        refuse_foreign_holders(tmp_path, [claimed("gone", job="")])
    assert raised.value.hint.startswith("submit on login1; or")
    assert "attempts/00/claim.json" in raised.value.hint


def test_a_living_job_is_waited_for_by_the_queue_and_refused_here(claimed, tmp_path):
    with pytest.raises(RunError, match="the job slurm:12 works on it"):
        refuse_foreign_holders(tmp_path, [claimed("alive")])
    refuse_foreign_holders(tmp_path, [claimed("alive", request=JobRequest())])
    refuse_foreign_holders(tmp_path, [claimed("gone")])


def test_a_host_that_is_given_up_holds_nothing_more(claimed, tmp_path):
    folder = claimed("gone", job="")
    assert release_claims([folder], "login2") == 0
    assert release_claims([folder], "login1") == 1
    assert folder.counted_attempts() == []
    refuse_foreign_holders(tmp_path, [folder])


def test_attempts_are_closed_before_folders_travel_and_never_those_of_the_living(claimed):
    folder = claimed("gone")
    close_attempts([folder])
    assert (folder.path / "attempts" / "00" / "ended.json").is_file()
    with pytest.raises(RunError, match="process 7 on login1 works on it"):
        close_attempts([claimed_anew(folder)])


def claimed_anew(folder):
    claim = this_process().model_copy(update={"host": "login1", "pid": 7})
    (folder.path / "attempts" / "01").mkdir()
    write_json(folder.path / "attempts" / "01" / "claim.json", claim.model_dump())
    return folder
