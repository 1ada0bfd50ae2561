"""A Slurm cluster of our own on 127.0.0.1: partitions ``cpu`` (two nodes of four) and ``gpu`` (two toy devices)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

START_SECONDS = 40.0
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
CredType=cred/munge
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool/%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.%n.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
InactiveLimit=0
KillWait=2
MinJobAge=120
SlurmdTimeout=5
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=cpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=4000
NodeName=cpu2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=4000
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=2 RealMemory=4000 Gres=gpu:2
PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
PartitionName=gpu Nodes=gpu1 MaxTime=2:00:00 State=UP OverSubscribe=NO
"""


IN_USE = {"idle", "mixed", "allocated", "completing"}
"""States of a node that works."""


class SlurmCluster:
    """One that runs; ``environment`` is what its clients need.

    Args:
        base: a folder of its own.
    """

    nodes = ("cpu1", "cpu2", "gpu1")

    def __init__(self, base: Path) -> None:
        self.base = base
        self.environment = {"SLURM_CONF": str(base / "slurm.conf")}

    def start(self) -> None:
        """Start all of its daemons, and wait until its nodes are idle."""
        for name in ("state", "spool"):
            (self.base / name).mkdir()
        for name in ("device0", "device1"):
            (self.base / name).touch()
        host = socket.gethostname().partition(".")[0]
        self._write("slurm.conf", CONFIGURATION.format(host=host, base=self.base, ports=_free_ports(4)))
        self._write("gres.conf", f"NodeName=gpu1 Name=gpu File={self.base}/device[0-1]\n")
        self._write("cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        self._start_munge()
        self._run("slurmctld", "-f", self.base / "slurm.conf")
        for node in self.nodes:
            (self.base / "spool" / node).mkdir()
            self.start_node(node)
        deadline = time.monotonic() + START_SECONDS
        while set(self.client("sinfo", "-h", "-N", "-o", "%T").split()) != {"idle"}:
            assert time.monotonic() < deadline, f"the nodes did not come up; see {self.base}"
            time.sleep(0.2)

    def client(self, *command: str) -> str:
        """Run one of Slurm's commands, and return what it said."""
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._run("slurmd", "-f", self.base / "slurm.conf", "-N", node)

    def lose_node(self, node: str) -> None:
        """Kill a node with all that runs on it, as a power failure would, and have the controller learn of it."""
        daemon = int((self.base / f"slurmd.{node}.pid").read_text())
        spool = str(self.base / "spool" / node)
        steps = [
            process
            for process in psutil.process_iter(["name", "cmdline"])
            if process.info["name"] == "slurmstepd" and self._belongs(process, node, spool)
        ]
        doomed = [child for step in steps for child in step.children(recursive=True)] + steps
        os.kill(daemon, signal.SIGKILL)
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.client("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def _belongs(self, step: psutil.Process, node: str, spool: str) -> bool:
        """Whether a step's process is of a node: its batch script lies in that node's spool folder."""
        with contextlib.suppress(psutil.Error):
            return any(spool in part for child in step.children() for part in child.cmdline())
        return False

    def restore_node(self, node: str) -> None:
        """Start a lost node again; a job that waits may get it at once."""
        self.start_node(node)
        self.client("scontrol", "update", f"nodename={node}", "state=resume")
        deadline = time.monotonic() + START_SECONDS
        while not IN_USE & set(self.client("sinfo", "-h", "-n", node, "-o", "%T").split()):
            assert time.monotonic() < deadline, f"{node} did not come back; see {self.base}"
            time.sleep(0.2)

    def jobs(self) -> list[str]:
        """Ids of the jobs that have not ended."""
        return self.client("squeue", "-h", "-o", "%i").split()

    def stop(self) -> None:
        """End all jobs and daemons."""
        for job in self.jobs():
            self.client("scancel", "--signal=KILL", "--full", job)
        daemons = [self._pid(path) for path in [*self.base.glob("slurmd.*.pid"), self.base / "slurmctld.pid"]]
        daemons.append(self._pid(self.base / "munged.pid"))
        for process in daemons:
            if process is not None:
                process.terminate()
        _, left = psutil.wait_procs([process for process in daemons if process is not None], timeout=10)
        for process in left:
            process.kill()

    def _pid(self, path: Path) -> psutil.Process | None:
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            return psutil.Process(int(path.read_text()))
        return None

    def _start_munge(self) -> None:
        key = self.base / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        options = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        options |= {"log-file": "munged.log", "seed-file": "munged.seed"}
        self._run(
            "munged", "--force", "--num-threads=2", *(f"--{name}={self.base / each}" for name, each in options.items())
        )

    def _write(self, name: str, text: str) -> None:
        (self.base / name).write_text(text, encoding="utf-8")

    def _run(self, *command: object) -> None:
        with (self.base / "start.log").open("ab") as log:
            subprocess.run(
                [str(part) for part in command],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                timeout=60,
            )


@contextlib.contextmanager
def slurm_cluster(base: Path) -> Iterator[SlurmCluster]:
    """A cluster for the time of a ``with``; clients of this process find it."""
    cluster = SlurmCluster(base)
    before = os.environ.get("SLURM_CONF")
    os.environ |= cluster.environment
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
