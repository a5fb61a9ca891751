"""Joining a cluster of Ray: connect, ask each machine what it lacks, share it out.

The only import of Ray; ``tasks`` is given it.
"""

import contextlib
import importlib
import logging
import math
import os
import signal
import socket
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fer_video.errors import ClusterError, MissingExtra, OptionError, reason_of
from fer_video.events import Job
from fer_video.nodes import Needs, lack_of, lack_told_by, needs_of, unfit
from fer_video.options import DeviceChoice, WorkOptions
from fer_video.processes import CORES_PER_RECORDING, GB_PER_RECORDING
from fer_video.quiet import quiet_startup
from fer_video.tasks import ClusterEngine, Share, able_machines
from fer_video.weights import ModelSpec

_ANSWER_S = 120.0
"""In which a machine has to tell what it lacks; its first task starts a process."""
_CONNECT_S = 5.0
_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing leaves the building
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else `uv run` uploads the current folder to the cluster
}


@contextlib.contextmanager
def join_cluster(
    options: WorkOptions, jobs: Sequence[Job], model: ModelSpec
) -> Iterator[ClusterEngine]:
    """Connect to a cluster, or start one on this machine, and check every machine of it.

    Args:
        options: Of the run.
        jobs: All that it will do, with the same options.
        model: That these name.

    Raises:
        MissingExtra: Ray is not installed.
        ClusterError: There is no such cluster, or a machine of it lacks something.
        OutputError: The folder of results cannot be written.
    """
    ray = _load_ray()
    with needs_of(jobs, model) as needs:
        try:
            _connect(ray, options.ray_address)
            machines = [node for node in ray.nodes() if node["Alive"]]
            device = jobs[0].options.classify.device
            share = share_of([one["Resources"] for one in machines], device)
            able = able_machines(ray, share)
            _check(ray, able, needs)
            yield ClusterEngine(ray, options, needs, share, len(able))
        finally:
            ray.shutdown()


def _load_ray() -> Any:
    os.environ.update(_ALWAYS)
    # else Ray warns of a default that will change
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "--engine ray") from error
    # else the death of a machine is printed among our own lines, on stdout
    importlib.import_module("ray._private.worker")._worker_logs_enabled = False  # type: ignore
    return ray


def _connect(ray: Any, address: str) -> None:
    named = address or os.environ.get("RAY_ADDRESS", "")
    if named not in ("", "auto", "local"):
        _check_listening(named)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "5")
    try:
        with _own_signals(), quiet_startup():
            ray.init(
                address=address or None,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ClusterError(_why(error)) from error


def _check_listening(address: str) -> None:
    """Find out in seconds what Ray finds out in minutes."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdecimal():
        raise OptionError(f"--ray-address must be HOST:PORT or auto, got {address}")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        reason = reason_of(error)
        raise ClusterError(
            f"nothing answers at {address} ({reason}): see `ray status` there"
        ) from None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what SIGTERM does: Ray would change it for the whole process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _why(error: BaseException) -> str:
    """Say in a line why Ray could not connect; its own errors have pages."""
    told = "".join(traceback.format_exception(error))
    if "InvalidAuthToken" in told or "AuthenticationError" in told:
        return (
            "the cluster refuses this token: RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH must be the "
            "same here and on all its machines"
        )
    if "Could not find any running Ray instance" in told:
        return "no Ray cluster runs on this machine: `ray start --head` starts one"
    if "node_ip_address" in told or "Raylet addresses" in told:
        return "this machine is not part of the cluster: `ray start --address=HOST:PORT` joins it"
    return " ".join(str(error).split())


def share_of(machines: Sequence[Mapping[str, float]], device: DeviceChoice) -> Share:
    """Say what a recording takes of a machine, so that each machine takes several at once.

    Args:
        machines: Resources of each, as Ray counts them.
        device: That the net is to run on; where there are GPUs, all but ``cpu`` asks for a part
            of one: those of a machine are shared by the recordings that its cores allow.

    Raises:
        ClusterError: No machine has a core to give.

    >>> share_of([{"CPU": 16, "memory": 64e9, "GPU": 1}, {"CPU": 4, "memory": 8e9}], "auto")
    {'num_cpus': 2, 'memory': 1000000000, 'num_gpus': 0.125}
    >>> share_of([{"CPU": 1, "memory": 5e8}], "auto")
    {'num_cpus': 1, 'memory': 500000000, 'num_gpus': 0}
    """
    with_gpu = [one for one in machines if one.get("GPU") and device != "cpu"]
    able = [one for one in with_gpu or machines if one.get("CPU", 0) >= 1]
    if not able:
        raise ClusterError("no machine of the cluster has a core to give: see `ray status`")
    cores = int(min(CORES_PER_RECORDING, max(one["CPU"] for one in able)))
    memory = int(min(GB_PER_RECORDING * 1e9, max(one.get("memory", 0) for one in able)))
    # what the cores of a machine bound need not be bound by its GPU
    gpus = min(_gpus_per_recording(one, cores) for one in able if one["CPU"] >= cores)
    return {"num_cpus": cores, "memory": memory, "num_gpus": gpus if with_gpu else 0}


def _gpus_per_recording(machine: Mapping[str, float], cores: int) -> float:
    at_once = max(1, machine["CPU"] // cores)
    # Ray counts in ten-thousandths
    return min(1.0, math.floor(machine.get("GPU", 0) / at_once * 1e4) / 1e4)


def _check(ray: Any, machines: Sequence[Mapping[str, Any]], needs: Needs) -> None:
    """Ask machines what they lack, before they get a recording.

    Raises:
        ClusterError: One lacks something, or does not answer.
    """
    asked = [(machine, _asked(ray, machine["NodeID"], needs)) for machine in machines]
    for machine, answer in asked:
        try:
            lack = ray.get(answer, timeout=_ANSWER_S)
        except ray.exceptions.RayTaskError as error:
            lack = lack_told_by(error)
        except ray.exceptions.RayError:
            lack = "it does not answer: see `ray status`"
        if lack:
            raise unfit(machine["NodeManagerHostname"], lack)


def _asked(ray: Any, machine_id: str, needs: Needs) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(machine_id, soft=False)
    task = ray.remote(lack_of).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
    return task.remote(needs)
