"""An ssh server of our own on 127.0.0.1, with keys made for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def ssh_server(base: Path, environment: dict[str, str]) -> Iterator[dict[str, object]]:
    """Start one; what is yielded are keys of ``resources.cluster``.

    Args:
        base: a folder of its own.
        environment: variables that its sessions have.
    """
    base.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / name], check=True)
    shutil.copyfile(base / "user.pub", base / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = "\n".join(f"SetEnv {name}={value}" for name, value in environment.items())
    (base / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {base}/host\nAuthorizedKeysFile {base}/authorized\n"
        f"PidFile {base}/sshd.pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp\n{variables}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    program = shutil.which("sshd") or "sshd"
    server = subprocess.Popen([program, "-D", "-e", "-f", base / "sshd_config"], stderr=(base / "log").open("wb"))
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < deadline, (base / "log").read_text()
            time.sleep(0.05)
        user = {"user": os.environ.get("USER", "root"), "key_file": str(base / "user")}
        yield {"context": "ssh", "host": "127.0.0.1", "port": port, **user}
    finally:
        server.terminate()
        server.wait()
