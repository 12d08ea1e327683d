"""Facts about cards, from a program called nvidia-smi that the test writes: what the real one prints is in here."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.placement import gpus
from deployments.placement.gpus import GIBIBYTE, MEBIBYTE, Card, Detection, detect
from pipeline.cascade import resolve

RTX_3080 = "0, GPU-1f2a3b4c-0000-1111-2222-333344445555, NVIDIA GeForce RTX 3080, 10240, 812, 570.86.15, [N/A]\n"
TWO = (
    "0, GPU-aaaaaaaa-0000-1111-2222-333344445555, NVIDIA RTX A4500, 20470, 3, 550.54.14, [N/A]\n"
    "1, GPU-bbbbbbbb-0000-1111-2222-333344445555, Quadro RTX 4000, 7982, 411, 550.54.14, [N/A]\n"
)
A100_SPLIT = "0, GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f, NVIDIA A100-SXM4-40GB, 40960, [N/A], 535.161.07, Enabled\n"
A100_DEVICES = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 1c.1g.5gb   Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
  MIG 1g.5gb+me   Device  2: (UUID: MIG-GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f/5/0)
"""
SPARK = "0, GPU-cccccccc-0000-1111-2222-333344445555, NVIDIA GB10, [N/A], [N/A], 580.95.05, [N/A]\n"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)


class Machine:
    """A PATH with an nvidia-smi of our own making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": str(folder)}

    def script(self, body: str) -> None:
        program = self.folder / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)

    def prints(self, answer: str, listing: str = "", status: int = 0) -> None:
        (self.folder / "answer").write_text(answer)
        (self.folder / "listing").write_text(listing)
        # It answers only what it is asked, as the real one does.
        self.script(
            f"""case "$*" in
            -L) /bin/cat {self.folder}/listing ;;
            "--query-gpu={",".join(gpus.QUERY)} --format=csv,noheader,nounits") /bin/cat {self.folder}/answer ;;
            *) echo "Invalid combination of input arguments: $*" >&2; exit 2 ;;
            esac
            exit {status}"""
        )

    def detect(self, **more: str) -> Detection:
        return detect({**self.environment, **more})


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def quiet(caplog):
    """Checks that nothing was warned about."""
    with caplog.at_level(logging.WARNING):
        yield
    assert caplog.text == ""


def test_no_nvidia_smi_is_no_card(machine, quiet):
    assert machine.detect() == Detection()
    assert detect({}) == Detection()
    assert resolve({}, {}, vram_gigabytes=machine.detect().vram_gigabytes).profile == "cpu"


def test_one_card(machine, quiet):
    machine.prints(RTX_3080)
    card = Card(
        index=0,
        uuid="GPU-1f2a3b4c-0000-1111-2222-333344445555",
        name="NVIDIA GeForce RTX 3080",
        driver="570.86.15",
        total_bytes=10240 * MEBIBYTE,
        used_bytes=812 * MEBIBYTE,
    )
    assert machine.detect() == Detection((card,))
    assert (card.total_gigabytes, card.used_gigabytes) == (10.0, 812 / 1024)
    settings = resolve({}, {}, vram_gigabytes=machine.detect().vram_gigabytes)
    assert (settings.profile, settings.gpu.budget_gigabytes) == ("standard", 10.0)


def test_the_smallest_card_counts(machine, quiet):
    machine.prints(TWO)
    assert [card.name for card in machine.detect().cards] == ["NVIDIA RTX A4500", "Quadro RTX 4000"]
    assert machine.detect().vram_gigabytes == 7982 * MEBIBYTE / GIBIBYTE


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("0", ["NVIDIA RTX A4500"]),
        ("1", ["Quadro RTX 4000"]),
        ("1,0", ["Quadro RTX 4000", "NVIDIA RTX A4500"]),
        ("GPU-bbbb", ["Quadro RTX 4000"]),
        ("0,7,1", ["NVIDIA RTX A4500"]),
        ("0,0", ["NVIDIA RTX A4500"]),
        ("", []),
        ("-1", []),
        ("none", []),
    ],
)
def test_hidden_cards_do_not_count(machine, quiet, visible, names):
    machine.prints(TWO)
    assert [card.name for card in machine.detect(CUDA_VISIBLE_DEVICES=visible).cards] == names


def test_a_split_card_is_its_mig_devices(machine, quiet):
    machine.prints(A100_SPLIT, A100_DEVICES)
    found = machine.detect()
    assert [(card.name, card.total_gigabytes, card.used_gigabytes) for card in found.cards] == [
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20, None),
        ("NVIDIA A100-SXM4-40GB MIG 1c.1g.5gb", 5, None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb+me", 5, None),
    ]
    assert found.vram_gigabytes == 5
    chosen = machine.detect(CUDA_VISIBLE_DEVICES="MIG-c7384736-a75d-5afc-978f-d2f1294409fd")
    assert chosen.vram_gigabytes == 20


def test_a_split_card_beside_a_whole_one(machine, quiet):
    machine.prints(A100_SPLIT + RTX_3080.replace("0, ", "1, ", 1), A100_DEVICES)
    assert [(card.index, card.total_gigabytes) for card in machine.detect().cards] == [(0, 20), (0, 5), (0, 5), (1, 10)]


def test_a_split_card_without_devices_is_no_card(machine, quiet):
    machine.prints(A100_SPLIT, A100_DEVICES.splitlines()[0])
    assert machine.detect() == Detection()


@pytest.mark.parametrize("word", ["[N/A]", "[Not Supported]", "[Insufficient Permissions]", "[Unknown Error]", "N/A"])
def test_a_card_that_does_not_say_its_memory_is_named_in_a_warning(machine, caplog, word):
    machine.prints(SPARK.replace("[N/A]", word))
    found = machine.detect()
    assert [(card.name, card.total_bytes, card.total_gigabytes) for card in found.cards] == [
        ("NVIDIA GB10", None, None)
    ]
    assert found.vram_gigabytes is None
    assert "NVIDIA GB10" in caplog.text
    assert found.problem == caplog.messages[0]


@pytest.mark.parametrize("status", [0, 6])
def test_no_devices_is_an_answer(machine, quiet, status):
    machine.prints("No devices were found\n", status=status)
    assert machine.detect() == Detection()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (NO_DRIVER, 9),
        ("Failed to initialize NVML: Driver/library version mismatch\n", 18),
        ("Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n", 255),
        ('Field "mig.mode.current" is not a valid field to query.\n', 2),
        (RTX_3080, 15),
        ("", 1),
        ("garbage\n", 0),
        ("a, b, c, d, e, f, g\n", 0),
        ("0, GPU-1, Name, lots, 3, 1.2, [N/A]\n", 0),
        ("0, GPU-1, Name, -10240, 3, 1.2, [N/A]\n", 0),
        ("0, GPU-1, Name, 99999999999999999999, 3, 1.2, [N/A]\n", 0),
        (RTX_3080 + "\x00\x01\ufffd\n", 0),
        (RTX_3080 + RTX_3080[:40] + "\n", 0),
    ],
)
def test_what_fails_or_makes_no_sense_is_no_card_and_a_warning(machine, caplog, answer, status):
    machine.prints(answer, status=status)
    with caplog.at_level(logging.WARNING):
        found = machine.detect()
    assert found.cards == ()
    assert found.problem is not None
    assert caplog.messages == [found.problem]
    assert found.problem.startswith("Detecting NVIDIA cards failed, going on without: nvidia-smi")
    assert resolve({}, {}, vram_gigabytes=found.vram_gigabytes).profile == "cpu"
    assert resolve({"profile": "high"}, {}, vram_gigabytes=found.vram_gigabytes).profile == "high"


def test_a_failure_tells_what_the_program_said(machine):
    machine.prints(NO_DRIVER, status=9)
    problem = machine.detect().problem or ""
    assert "status 9: NVIDIA-SMI has failed because it couldn't communicate" in problem


def test_bytes_that_are_no_text(machine):
    machine.script("printf '\\377\\376\\n'")
    assert machine.detect().problem is not None


def test_one_that_hangs(machine):
    machine.script("exec /bin/sleep 600")
    found = detect(machine.environment, timeout_seconds=0.2)
    assert found.cards == ()
    assert "did not answer within 0.2 s" in (found.problem or "")


def test_one_that_can_not_be_started(machine):
    program = machine.folder / "nvidia-smi"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    assert "can't be started" in (machine.detect().problem or "")


def test_this_process_own_cards(machine):
    machine.prints(RTX_3080)
    code = "from deployments.placement import gpus; print(len(gpus.cards()), gpus.vram_gigabytes())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **machine.environment, "CUDA_VISIBLE_DEVICES": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 10.0\n"


def test_torch_and_ray_are_not_needed():
    code = "import deployments.placement.gpus, sys; print({'torch', 'ray', 'pynvml', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
