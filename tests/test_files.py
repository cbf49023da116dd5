"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from klantwaarde import BadParameters, OutputBusy, files
from klantwaarde.files import whole_file, whole_folder, write_text

OURS = ("a.txt", "b.txt")


def names(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


def make(out: Path, text: str) -> None:
    with whole_folder(out, OURS) as fresh:
        (fresh / "a.txt").write_text(text)


def half(path: Path) -> None:
    path.write_text("half")
    raise ZeroDivisionError


def test_whole_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with whole_file(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
        assert unfinished.parent == path.parent, "another disk could not be renamed from"
        assert unfinished.name.startswith(".")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["x.txt"]


def test_whole_file_after_a_fault_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as unfinished:
        half(unfinished)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


@pytest.fixture(params=["exchange", "two renames", "no such call", "not on this disk"])
def _ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one-step exchange, and what stands in for it where the system has none."""
    if request.param == "two renames":
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    elif request.param == "no such call":
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: object())
    elif request.param == "not on this disk":
        refuse = type("Library", (), {"renameat2": staticmethod(lambda *_: -1)})
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: refuse)
        monkeypatch.setattr(files.ctypes, "get_errno", lambda: files.errno.EINVAL)


@pytest.mark.usefixtures("_ways")
def test_whole_folder_replaces_the_old_results(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "results"
    make(out, "one")
    make(out, "two")
    assert (out / "a.txt").read_text() == "two"
    assert names(out.parent) == ["results"]


def test_exchange_tells_other_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "results", "one")
    refuse = type("Library", (), {"renameat2": staticmethod(lambda *_: -1)})
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: refuse)
    monkeypatch.setattr(files.ctypes, "get_errno", lambda: files.errno.EACCES)
    with pytest.raises(OSError, match="cannot put the results at"):
        make(tmp_path / "results", "two")
    assert (tmp_path / "results" / "a.txt").read_text() == "one"


def test_whole_folder_after_a_fault_leaves_the_old(tmp_path: Path) -> None:
    make(tmp_path / "results", "old")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "results", OURS) as fresh:
        half(fresh / "a.txt")
    assert (tmp_path / "results" / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["results"]


def test_no_folder_after_a_fault_of_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "results", OURS):
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_second_run_stops_and_the_first_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "results"
    with whole_folder(out, OURS) as fresh:
        with pytest.raises(OutputBusy, match="Another run is writing to"), whole_folder(out, OURS):
            pass
        (fresh / "a.txt").write_text("first")
    assert (out / "a.txt").read_text() == "first"
    make(out, "later")
    assert names(tmp_path) == ["results"]


def test_a_lock_file_that_was_replaced_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the lock file and locking it, the run before may remove it and a third run make its own."""
    lock, real, third = tmp_path / ".results.lock", fcntl.flock, []

    def late(handle: int, how: int) -> None:
        if not third:
            lock.unlink()
            third.append(lock.open("w"))
            real(third[0], fcntl.LOCK_EX)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(OutputBusy):
        make(tmp_path / "results", "one")
    assert not (tmp_path / "results").exists()
    third[0].close()


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_kept(tmp_path: Path) -> None:
    (tmp_path / "victim.txt").write_text("years of work")
    (tmp_path / ".results.lock").symlink_to(tmp_path / "victim.txt")
    with pytest.raises(BadParameters, match="is a link"):
        make(tmp_path / "results", "one")
    assert (tmp_path / "victim.txt").read_text() == "years of work"


def test_a_lock_file_of_others_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "victim.txt").write_text("years of work")
    os.link(tmp_path / "victim.txt", tmp_path / ".results.lock")
    make(tmp_path / "results", "one")
    assert (tmp_path / "victim.txt").read_text() == "years of work"


def test_a_folder_without_the_mark_is_not_replaced(tmp_path: Path) -> None:
    """Names alone say nothing: a folder of the user's may hold files called as ours."""
    out = tmp_path / "results"
    out.mkdir()
    (out / "a.txt").write_text("years of work")
    for text in (None, "{}", "[]", "{", '{"format": "another"}'):
        if text is not None:
            (out / "run.json").write_text(text)
        with pytest.raises(BadParameters, match="no run of klantwaarde wrote"):  # noqa: SIM117 - one fault each
            with whole_folder(out, (*OURS, "run.json"), "run.json"):
                pass
        assert (out / "a.txt").read_text() == "years of work"
    (out / "run.json").write_text('{"klantwaarde": "0.1.0"}')
    with whole_folder(out, (*OURS, "run.json"), "run.json"):
        pass
    assert names(out) == []


@pytest.mark.parametrize("name", ["results", "with blank"])
def test_a_place_where_a_disk_begins_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    out = tmp_path / name
    out.mkdir()
    line = f"36 35 98:0 /a {out!s} rw,noatime - ext4 /dev/root rw\n".replace("with blank", r"with\040blank")
    read = Path.read_text
    told = lambda path, *given: line if str(path) == "/proc/self/mountinfo" else read(path, *given)
    monkeypatch.setattr(Path, "read_text", told)
    with pytest.raises(BadParameters, match=r"where a disk begins.*a folder in it, such as"), whole_folder(out, OURS):
        pass


def test_a_place_where_nothing_can_be_written_is_told_without_our_names() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no such place")
    with pytest.raises(BadParameters, match="may not be written to") as told, whole_folder(Path("/proc/x"), OURS):
        pass
    assert ".x." not in str(told.value)


@pytest.mark.parametrize("left", [".results.new", ".results.old", "both"])
def test_remains_of_a_killed_run_are_swept(tmp_path: Path, left: str) -> None:
    make(tmp_path / "results", "old")
    for name in (".results.new", ".results.old") if left == "both" else (left,):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("half")
    (tmp_path / ".results.lock").write_text("")
    make(tmp_path / "results", "new")
    assert (tmp_path / "results" / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["results"]


def test_old_results_come_back_after_death_between_two_renames(tmp_path: Path) -> None:
    make(tmp_path / "results", "old")
    (tmp_path / "results").rename(tmp_path / ".results.old")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "results", OURS):
        raise RuntimeError
    assert (tmp_path / "results" / "a.txt").read_text() == "old"


def test_files_of_others_are_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "results"
    out.mkdir()
    (out / "thesis.doc").write_text("years of work")
    with pytest.raises(BadParameters, match=r"not ours \(thesis\.doc\)"), whole_folder(out, OURS):
        pass
    assert names(out) == ["thesis.doc"]


def test_files_that_appear_meanwhile_are_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "results"
    (tmp_path / "mine").mkdir()
    with pytest.raises(BadParameters, match="not ours"), whole_folder(out, OURS):
        write_text(Path(shutil.copytree(tmp_path / "mine", out)) / "thesis.doc", "years of work")
    assert names(out) == ["thesis.doc"]


@pytest.mark.parametrize("kind", ["file", "link", "below a file", "root"])
def test_places_that_are_no_folder(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "results"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        out.symlink_to(tmp_path / "elsewhere")
    elif kind != "root":
        out.write_text("a file")
    out = {"below a file": out / "deeper", "root": Path("/")}.get(kind, out)
    with pytest.raises(BadParameters, match="Give out= a folder"), whole_folder(out, OURS):
        pass


SPILLS = """
import os, sys, signal
from klantwaarde.files import scratch_folder
folder = scratch_folder("kw-test-spill")
(folder / "big").write_text("spilled")
print(folder, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "waits":
    sys.stdin.read()
"""


def test_scratch_goes_with_its_process_and_after_a_kill_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def start(how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SPILLS, how]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def folder(process: subprocess.Popen[str]) -> Path:
        assert process.stdout is not None
        return Path(process.stdout.readline().strip())

    with start("killed") as killed:
        left = folder(killed)
    assert (left / "big").exists()
    with start("waits") as living:
        used = folder(living)
        assert not left.exists()
        with start("ends") as ended:
            gone = folder(ended)
        assert (used / "big").exists()
        living.communicate("")
    assert not gone.exists()
    assert not used.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_root_of_all_folders_has_nothing_beside_it() -> None:
    assert files.companions(Path("/")) == ()
    assert [path.name for path in files.companions(Path("/a/out"))] == [".out.new", ".out.old", ".out.lock"]
