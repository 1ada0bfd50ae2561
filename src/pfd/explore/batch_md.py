"""Many trajectories at once on a GPU, by torch-sim, each watched by stop checks of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pfd.errors import DataError, MissingError, ModelError
from pfd.explore.checks import State, check_stride, standard_checks
from pfd.explore.settings import GridSettings
from pfd.explore.trajectory import Conditions, Recorder, Trajectory
from pfd.explore.velocities import set_velocities, start_temperature, stored_temperature
from pfd.frames import frame_id, without_labels
from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

    from pfd.explore.job import Job


class BatchSettings(GridSettings):
    """Langevin dynamics of several copies of a structure at once: what fills a GPU that one small cell leaves idle.

    Needs torch-sim (``pip install torch-sim-atomistic``) and a torch family. We have run it on a CPU only, where it
    gains nothing.
    """

    shaped_by: ClassVar[str] = "structures"

    method: Literal["batch"] = "batch"
    """Dynamics of several copies at once."""
    ensemble: Literal["nvt"] = "nvt"
    """Fixed cell."""
    thermostat: Literal["langevin"] | None = None
    """None is langevin."""
    copies: int = Field(default=8, ge=1)
    """Trajectories of each structure and temperature that run together, each with velocities of its own."""

    @property
    def most_frames(self) -> int:
        """See ``Explorer.most_frames``."""
        return self.copies * super().most_frames

    @property
    def needs_batch_model(self) -> bool:
        """See ``Explorer.needs_batch_model``."""
        return True

    def require(self, frame: Atoms) -> None:
        """See ``Explorer.require``."""
        super().require(frame)
        if frame.constraints:
            raise DataError(
                "dynamics in batches keeps no atoms fixed", where=f"frame {frame_id(frame)}", hint="use method: md"
            )

    def run(self, job: Job) -> Trajectory:
        """Run the copies; what has exploded is taken out of the batch and leaves its good part.

        Raises:
            MissingError: if torch-sim is not installed.
            ModelError: if it does not know the family.
        """
        self.require(job.structure)
        if job.batch_model is None:
            raise ModelError(
                "this family has no model for torch-sim", where="explore: method batch", hint="use method: md"
            )
        recorders = _run_batch(job, self)
        runs = [recorder.trajectory() for recorder in recorders]
        stopped = [run.stop_reason for run in runs if run.stop_reason]
        heat = [run.mean_temperature_K for run in runs if run.mean_temperature_K is not None]
        return Trajectory(
            frames=tuple(frame for run in runs for frame in run.frames),
            finished=not stopped,
            stop_reason=f"{len(stopped)} of {len(runs)} copies: {stopped[0]}" if stopped else None,
            steps_done=max(run.steps_done for run in runs),
            mean_temperature_K=float(np.mean(heat)) if heat else None,
            discarded=sum(run.discarded for run in runs),
            suspicious=sum(run.suspicious for run in runs),
        )


def _run_batch(job: Job, settings: BatchSettings) -> list[Recorder]:
    try:
        import torch_sim
    except ImportError as error:
        hint = "pip install torch-sim-atomistic"
        raise MissingError("method batch needs torch-sim", where="explore", hint=hint) from error
    import torch
    from ase import units

    assert job.temperature_K is not None
    assert job.batch_model is not None
    starts = [_start(job, settings, number) for number in range(settings.copies)]
    recorders = [recorder for _, recorder in starts]
    model = job.batch_model()
    as_tensor = {"device": model.device, "dtype": model.dtype}
    step, coupling = settings.timestep_of(job.structure) * units.fs, settings.coupling * units.fs
    init, update = torch_sim.integrators.nvt_langevin(
        model,
        dt=torch.tensor(step, **as_tensor),
        kT=torch.tensor(BOLTZMANN_EV_PER_K * job.temperature_K, **as_tensor),
        gamma=torch.tensor(1.0 / coupling, **as_tensor),
        seed=job.seed,
    )
    torch.manual_seed(job.seed)
    state = init(torch_sim.initialize_state([atoms for atoms, _ in starts], model.device, model.dtype))
    state.momenta = torch.tensor(np.concatenate([atoms.get_momenta() for atoms, _ in starts]), **as_tensor)
    alive = list(range(len(starts)))
    stride = check_stride(settings.every)
    for number in range(0, settings.steps + 1, stride):
        seen = [
            recorders[copy].see(found) for copy, found in zip(alive, _states(state, number, starts[0][0]), strict=True)
        ]
        alive = [copy for copy, good in zip(alive, seen, strict=True) if good]
        if not alive:
            break
        if not all(seen):
            state = state[[index for index, good in enumerate(seen) if good]]
        if job.progress is not None:
            job.progress(number / settings.steps, f"step {number} of {settings.steps}, {len(alive)} copies")
        for _ in range(stride if number < settings.steps else 0):
            state = update(state)
    return recorders


def _start(job: Job, settings: BatchSettings, number: int) -> tuple[Atoms, Recorder]:
    """One copy with its velocities, and who watches it."""
    from pfd.explore.md import baseline, sampling

    assert job.temperature_K is not None
    atoms = without_labels(job.structure)
    atoms.calc = job.calculator()
    degrees = 3 * len(atoms)  # the thermostat moves the centre of mass as well
    stored = stored_temperature(atoms, degrees)
    hot = start_temperature(job.temperature_K, stored)
    set_velocities(atoms, hot, degrees, np.random.default_rng([job.seed, number]))
    energy = float(atoms.get_potential_energy())
    checks = standard_checks(settings.stop, baseline(atoms, energy, settings, job.temperature_K, hot, stored, degrees))
    conditions = Conditions(f"{job.name}-c{number}", job.temperature_K, None, job.group)
    return atoms, Recorder(job.structure, sampling(job.structure, settings), conditions, checks)


def _states(state: Any, step: int, like: Atoms) -> list[State]:
    """What the checks look at, of each system of the batch."""
    atoms = len(like)
    positions = state.positions.detach().cpu().numpy().astype(float).reshape(-1, atoms, 3)
    momenta = state.momenta.detach().cpu().numpy().astype(float).reshape(-1, atoms, 3)
    forces = state.forces.detach().cpu().numpy().astype(float).reshape(-1, atoms, 3)
    energies = state.energy.detach().cpu().numpy().astype(float)
    kinetic = (momenta**2).sum(axis=2) / (2.0 * like.get_masses())
    found = []
    for index, energy in enumerate(energies):
        frame = like.copy()
        frame.calc = None
        frame.set_positions(positions[index])
        temperature = 2.0 * float(kinetic[index].sum()) / (3 * atoms * BOLTZMANN_EV_PER_K)
        largest = float(np.linalg.norm(forces[index], axis=1).max())
        found.append(State(step, frame, float(energy), temperature, largest))
    return found
