"""What is started to make the load: one process, several, some elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.live.loaders import HERE, PORT, Loaders, check, commands, invitation, of_page, pids, told
from harness.record.folder import RunFolder

STORIES = [Path("locustfiles/kv_reads.py"), Path("locustfiles/coffee.py")]


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_one_process_needs_no_master() -> None:
    ((name, words),) = commands(Loaders(), STORIES, 10)
    assert name == "load"
    assert option(words, "-f") == "locustfiles/kv_reads.py,locustfiles/coffee.py"
    assert not any(word.startswith(("--master", "--processes", "--expect")) for word in words)


def test_several_processes_meet_on_the_run_s_own_address_and_wait_for_each_other_with_an_end() -> None:
    ((name, words),) = commands(check(Loaders(4)), STORIES, 77)
    assert name == "load"
    assert option(words, "--processes") == option(words, "--users") == "4"
    assert option(words, "--master-bind-host") == option(words, "--master-host") == "127.77.0.1"
    assert option(words, "--master-bind-port") == option(words, "--master-port") == str(PORT)
    assert float(option(words, "--expect-workers-max-wait")) > 0


def test_with_workers_elsewhere_the_master_waits_for_all_and_those_here_are_workers_of_it() -> None:
    (name, words), (second, here) = commands(check(Loaders(2, 3, "192.0.2.7")), STORIES, 77)
    assert (name, second) == ("load", "load-workers")
    assert option(words, "--expect-workers") == "5"
    assert "--master" in words
    assert "--processes" not in words  # Locust would then expect only those
    assert option(words, "--master-bind-host") == "192.0.2.7"
    assert (option(here, "--processes"), option(here, "--master-host")) == ("2", "192.0.2.7")
    assert "--worker" in here
    assert len(commands(check(Loaders(0, 3, "192.0.2.7")), STORIES, 77)) == 1
    everywhere = commands(check(Loaders(1, 1, "0.0.0.0")), STORIES, 77)[1][1]
    assert option(everywhere, "--master-host") == "127.0.0.1"


def test_a_page_s_master_meets_its_workers_on_this_machine_at_a_port_of_its_own() -> None:
    assert of_page(Loaders()) == []
    words = of_page(check(Loaders(3)))
    assert option(words, "--processes") == "3"
    assert option(words, "--master-bind-host") == option(words, "--master-host") == HERE == "127.0.0.1"
    assert option(words, "--master-bind-port") == option(words, "--master-port")
    assert float(option(words, "--expect-workers-max-wait")) > 0


def test_the_command_for_another_host_is_given_whole() -> None:
    found = invitation(Loaders(1, 1, "192.0.2.7"), ["kv_reads", "coffee"])
    assert found == (
        "locust -f locustfiles/kv_reads.py,locustfiles/coffee.py --worker --master-host 192.0.2.7 --master-port 5557"
    )


@pytest.mark.parametrize(
    ("loaders", "words"),
    [
        (Loaders(0), "leaves nobody to make the load"),
        (Loaders(-1), "0 to 64"),
        (Loaders(65), "0 to 64"),
        (Loaders(1, 2), "needs --bind ADDRESS"),
        (Loaders(1, 0, "192.0.2.7"), "say how many there will be"),
    ],
)
def test_what_cannot_be_is_refused_in_words(loaders: Loaders, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        check(loaders)


def test_the_manifest_tells_of_one_process_without_workers_too(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "t", "v", 1, "x")
    assert told(Loaders(), folder) == {"processes": 1, "elsewhere": 0}
    assert pids(folder) == {}


def test_only_workers_of_this_host_that_still_run_are_metered(tmp_path: Path) -> None:
    import os

    folder = RunFolder.create(tmp_path, "t", "v", 1, "x")
    known = [("load-0", os.getpid(), True), ("load-1", os.getpid(), False), ("load-2", 2**22 + 1, True)]
    workers = [{"name": name, "pid": pid, "clock": {"shared": shared}} for name, pid, shared in known]
    folder.write_json(folder.path / "workers.json", {"workers": workers, "lost": []})
    assert pids(folder) == {"load-0": os.getpid()}
    assert told(Loaders(3), folder)["workers"] == workers
