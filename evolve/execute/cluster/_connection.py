"""The connection to Ray: a local one that starts and ends with the run, or a cluster that is joined and left as it is."""

from __future__ import annotations

import importlib
import logging
import os
import platform
import secrets
import socket
import tempfile
from pathlib import Path
from types import ModuleType, TracebackType

from evolve._errors import EnvironmentFault, MissingPackage, UsageError
from evolve.config._schema import LOCAL
from evolve.execute._scratch import Scratch
from evolve.execute.cluster._capacity import Node, nodes_of
from evolve.execute.cluster._settings import ENVIRONMENT, NAMESPACE, STORE_BYTES, environment, token_environment

_OWN = ("", LOCAL)  # addresses that mean a Ray of our own, where RAY_ADDRESS names none
_ASK_S = 10.0
_TOLD = 300  # characters of what Ray says
_SHORT = 40  # characters of a folder in which the sockets of a session of Ray have names that the kernel takes (107)


class Connection:
    """A driver's connection to Ray.  One a process: Ray allows no second; one that somebody else opened here is used and left.

    ``where`` is HOST:PORT of the cluster, whatever named it, or "local" where it was started here.

    Raises:
        MissingPackage: Ray is not installed.
        UsageError: an address of a kind that cannot serve.
        EnvironmentFault: no Ray answers there, it is of another version or its token is another; or a local one does not start.
    """

    def __init__(self, address: str = "", *, cpus: int | None = None, store_bytes: int = STORE_BYTES) -> None:
        self.address = address_of(address)
        self.ray = load_ray()
        self._scratch: Scratch | None = None
        self._opened = not self.ray.is_initialized()
        if not self._opened:
            self.where = self._where()
            return
        try:
            self._open(cpus, store_bytes)
            self.where = LOCAL if self.is_own else self._where()
            # Ray prints news of nodes and workers on stdout, whatever it is told, and stdout is for data.
            self.ray._private.worker.print_to_stdstream = _say_nothing
        except BaseException:
            self.close()
            raise

    @property
    def is_own(self) -> bool:
        """Whether the Ray is one that was started here."""
        return self._opened and self.address in _OWN

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def nodes(self) -> list[Node]:
        """The nodes of the cluster, as they are now."""
        # The one thing that Ray tells its own libraries alone (Serve asks for it so).
        draining = self.ray._private.worker.global_worker.gcs_client.get_draining_nodes(timeout=_ASK_S)
        return nodes_of(self.ray.nodes(), {node.hex() if isinstance(node, bytes) else str(node) for node in draining})

    def close(self) -> None:
        """Leave the cluster, or end the Ray that was started here.  Idempotent."""
        if self._opened:
            self.ray.shutdown()
            self._opened = False
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def _where(self) -> str:
        return str(self.ray.get_runtime_context().gcs_address)

    def _open(self, cpus: int | None, store_bytes: int) -> None:
        how: dict[str, object] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "namespace": NAMESPACE}
        with _Hushed() as hushed:
            try:
                if self.address not in _OWN:
                    _need_listener(self.address)
                    with environment({}, cleared=False):
                        self.ray.init(address=self.address, **how)
                    return
                self._scratch = Scratch()
                token = self._scratch.path / "ray.token"
                _write_private(token, secrets.token_hex(32))
                how |= {"num_cpus": cpus or len(os.sched_getaffinity(0)), "include_dashboard": False}
                how |= {"object_store_memory": max(STORE_BYTES, store_bytes)}
                session = self._scratch.path / "r"  # Ray opens it to all
                if len(str(session)) <= _SHORT:  # what it leaves goes with the folder, also after a kill
                    how |= {"_temp_dir": str(session)}
                with environment(token_environment(token), cleared=True):
                    self.ray.init(address=LOCAL, **how)
            except (ConnectionError, RuntimeError, ValueError, OSError, self.ray.exceptions.RayError) as error:
                raise EnvironmentFault(self._why_not(error, hushed.said())) from error

    def _why_not(self, error: Exception, printed: str) -> str:
        said = " ".join(str(error).split())[:_TOLD]
        if self.address in _OWN:
            return f"Ray does not start on this machine ({said}); run: evolve doctor --cluster"
        if "ersion mismatch" in said:
            return (
                f"expected a cluster at {self.address} with this machine's Ray and Python ({self.ray.__version__}, "
                f"{platform.python_version()}), found others ({said}); install the same there or here."
            )
        file = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
        if isinstance(error, self.ray.exceptions.AuthenticationError) and file in said:
            return f"expected the cluster's token in {file} (RAY_AUTH_TOKEN_PATH), found no token there; copy it from the head."
        if "No node info found" in f"{error.__cause__}":  # Ray looks for a node of the cluster on the driver's own machine
            return (
                f"expected this machine to be a node of the Ray cluster at {self.address}, found none of its nodes here; "
                f"type: ray start --address={self.address} --num-cpus=0, or run evolve on a machine of the cluster."
            )
        if "AuthToken" in printed + said:
            return (
                f"expected the token that the Ray cluster at {self.address} was started with, found "
                f"{'that of ' + file if file else 'none or another'}; type: export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=FILE"
            )
        return (
            f"expected a Ray cluster at {self.address}, found none that answers ({said}); "
            "type: ray status, or leave executor.address out for a Ray on this machine."
        )


class _Hushed:
    """What Ray's own code prints on standard error while it connects goes into a file, and is there to be asked."""

    def __enter__(self) -> _Hushed:
        self._file = tempfile.TemporaryFile()
        self._stderr = os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._file.close()

    def said(self) -> str:
        self._file.seek(0)
        return self._file.read().decode(errors="replace")


def address_of(given: str) -> str:
    """The address that is meant: as given, else RAY_ADDRESS, which a submitted job is started with, else a Ray of our own.

    Raises:
        UsageError: it is a Ray Client's.
    """
    address = given or os.environ.get("RAY_ADDRESS", "")
    if address.startswith("ray://"):
        raise UsageError(
            f"expected executor.address=auto or HOST:PORT, found {address!r}: through a Ray Client results are lost when the "
            "connection is; run evolve on a machine of the cluster, or type: ray job submit -- evolve run ... executor=ray"
        )
    return address


def _say_nothing(*_: object, **__: object) -> None:
    return


def _need_listener(address: str) -> None:
    """See that somebody listens there: Ray itself waits for minutes.

    Raises:
        OSError: nobody does.
        UsageError: it is no HOST:PORT.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "=" in host or not port.isdigit():
        raise UsageError(f"expected executor.address=auto or HOST:PORT, found {address!r}; type for example executor.address=auto")
    socket.create_connection((host, int(port)), timeout=_ASK_S).close()


def is_own(address: str) -> bool:
    """Whether an address, or none, means a Ray that is started here.

    Raises: as ``address_of``.
    """
    return address_of(address) in _OWN


def load_ray() -> ModuleType:
    """Ray, imported with our settings.

    Raises:
        MissingPackage: it is not installed.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingPackage(
            f"executor=ray needs the package ray, which cannot be imported ({error}); type: pip install ray"
        ) from error


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
