"""What a ladder costs: `python -m tests.bench.ladder`. CPU against one ffmpeg command with the same source, rungs,
preset and threads, in turns in one run; time from a picture's last packet to the rungs' packets; memory.

Three ways: as fast as it goes, on one CPU and on any; and in real time, where ours is all that a node does for a job
(event loop, queue, thread). Ours goes from RTP packets to RTP packets, ffmpeg from a file to its null muxer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import psutil
from aiortc.codecs.h264 import H264Encoder

from rillcast.contracts.ids import TrackId
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.adapters.thread_ladder import LadderThreads
from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.domain.ladder import Rung, width_for
from services.transcoder.domain.packetizer import Packetizer
from services.transcoder.ports import Outcome
from services.transcoder.usecases.ladder_pipeline import LadderPipeline
from tests.bench import ladder_report
from tests.bench.ladder_report import MODES, Report, Round
from tests.bench.machine import QUIET_CORES, Others, facts

FRAMES_PER_SECOND = 30
GOP_S = 2
RUNGS = ((720, 2_000_000), (480, 1_000_000), (360, 600_000))
CLOCK_RATE = 90_000
PICTURES = "testsrc2=size={size}:rate=30,noise=alls=12:allf=t"
"""Movement and grain: about as hard as a camera."""

Pictures = list[list[bytes]]
"""Packets by picture."""


def make_source(ffmpeg: str, folder: Path, size: str, seconds: int) -> Path:
    """H.264 as browsers send it: baseline, no B-frames, a keyframe every two seconds."""
    path = folder / "source.h264"
    subprocess.run(
        [
            ffmpeg,
            "-loglevel",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            PICTURES.format(size=size),
            "-t",
            str(seconds),
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-tune",
            "zerolatency",
            "-profile:v",
            "baseline",
            "-pix_fmt",
            "yuv420p",
            "-b:v",
            "5M",
            "-maxrate",
            "5M",
            "-bufsize",
            "5M",
            "-g",
            str(GOP_S * FRAMES_PER_SECOND),
            "-f",
            "h264",
            str(path),
        ],
        check=True,
    )
    return path


def rtp_packets(path: Path) -> Pictures:
    """The file's pictures in RTP."""
    packetizer = Packetizer("H264", ssrc=1, sequence=0)
    assert isinstance(packetizer._packer, H264Encoder)
    pictures = []
    with av.open(str(path), format="h264") as container:
        for index, packet in enumerate(packet for packet in container.demux(video=0) if packet.size):
            packet.pts = index * CLOCK_RATE // FRAMES_PER_SECOND
            packet.time_base = Fraction(1, CLOCK_RATE)
            pictures.append(packetizer.packets(packet))
    return pictures


def our_rungs(width: int, height: int) -> list[Rung]:
    return [
        Rung(track=TrackId(f"v0.{to}p"), codec="H264", width=width_for(to, width, height), height=to, bitrate_bps=rate)
        for to, rate in RUNGS
    ]


def run_ours(pictures: Pictures, rungs: list[Rung], encoders: EncoderChoice) -> list[float]:
    """Milliseconds per picture, as fast as it goes."""
    engine, reception = LadderEngine("H264", GOP_S, encoders), Depacketizer("H264")
    engine.set_rungs(rungs)
    took, made = [], 0
    for packets in pictures:
        for packet in packets:
            for frame in reception.add(packet, 0.0):
                began = time.perf_counter()
                made += len(engine.process(frame, encode=True).produced)
                took.append((time.perf_counter() - began) * 1000)
    assert made == len(rungs) * len(pictures), f"{made} pictures came out of {len(rungs)} × {len(pictures)}"
    return took


async def run_node(pictures: Pictures, rungs: list[Rung], encoders: EncoderChoice) -> list[float]:
    """Milliseconds per picture, from its last packet to the rungs' packets being back on the loop; in real time."""
    given: dict[int, float] = {}
    took: list[float] = []

    def deliver(outcome: Outcome) -> None:
        for produced in outcome.produced[-1:]:
            rtp_ts = int.from_bytes(produced.packets[0][4:8], "big")
            took.append((time.perf_counter() - given[rtp_ts]) * 1000)

    work = LadderPipeline("H264", LadderThreads(encoders, GOP_S), deliver, time.monotonic)
    work.set_rungs(tuple(rungs))
    began = time.perf_counter()
    for index, packets in enumerate(pictures):
        await asyncio.sleep(max(0.0, began + index / FRAMES_PER_SECOND - time.perf_counter()))
        given[int.from_bytes(packets[0][4:8], "big")] = time.perf_counter()
        for packet in packets:
            work.on_packet(packet)
    await asyncio.sleep(1 / FRAMES_PER_SECOND)
    await work.stop()
    return took


def ffmpeg_command(ffmpeg: str, source: Path, rungs: list[Rung], preset: str, *, paced: bool) -> list[str]:
    """The same ladder as one command."""
    names = [f"r{rung.height}" for rung in rungs]
    graph = f"[0:v]split={len(rungs)}" + "".join(f"[s{name}]" for name in names)
    for rung, name in zip(rungs, names, strict=True):
        graph += f";[s{name}]scale={rung.width}:{rung.height}:flags=fast_bilinear,format=yuv420p[{name}]"
    command = [
        ffmpeg,
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-threads",
        "1",
        *(["-re"] if paced else []),
        "-r",
        str(FRAMES_PER_SECOND),
        "-f",
        "h264",
        "-i",
        str(source),
        "-filter_complex_threads",
        "1",
        "-filter_complex",
        graph,
    ]
    for rung, name in zip(rungs, names, strict=True):
        command += [
            "-map",
            f"[{name}]",
            "-c:v",
            "libx264",
            "-threads",
            "1",
            "-preset",
            preset,
            "-tune",
            "zerolatency",
            "-profile:v",
            "baseline",
            "-b:v",
            str(rung.bitrate_bps),
            "-maxrate",
            str(rung.bitrate_bps),
            "-bufsize",
            str(rung.bitrate_bps // 2),
            "-g",
            str(GOP_S * FRAMES_PER_SECOND),
            "-sc_threshold",
            "0",
            "-f",
            "null",
            "-",
        ]
    return command


def cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


class Bench:
    """One source, taken through both in turns."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments = arguments
        width, height = (int(side) for side in arguments.size.split("x"))
        self.source = make_source(arguments.ffmpeg, folder, arguments.size, arguments.seconds)
        self._pictures, self._rungs = rtp_packets(self.source), our_rungs(width, height)
        self._encoders = EncoderChoice(arguments.preset, hardware=False)
        self.took: dict[str, list[float]] = {mode: [] for mode in MODES}

    def round(self, mode: str, *, ours_first: bool) -> Round:
        """Both once; others' CPU is what neither of them used."""
        every = os.sched_getaffinity(0)
        if mode == "pinned":
            os.sched_setaffinity(0, {self._arguments.cpu})
        try:
            others = Others()
            runs: list[Callable[[str], float]] = [self._ours, self._ffmpeg]
            spent = {run: run(mode) for run in (runs if ours_first else reversed(runs))}
            busy = others.cores()
        finally:
            os.sched_setaffinity(0, every)
        return Round(mode, spent[self._ours], spent[self._ffmpeg], others=busy, quiet=busy <= QUIET_CORES)

    def _ours(self, mode: str) -> float:
        before = cpu_s(resource.RUSAGE_SELF)
        if mode == "paced":
            self.took[mode] += asyncio.run(run_node(self._pictures, self._rungs, self._encoders))
        else:
            self.took[mode] += run_ours(self._pictures, self._rungs, self._encoders)
        return (cpu_s(resource.RUSAGE_SELF) - before) / self._media_s

    def _ffmpeg(self, mode: str) -> float:
        command = ffmpeg_command(
            self._arguments.ffmpeg, self.source, self._rungs, self._arguments.preset, paced=mode == "paced"
        )
        before = cpu_s(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        return (cpu_s(resource.RUSAGE_CHILDREN) - before) / self._media_s

    @property
    def _media_s(self) -> float:
        return len(self._pictures) / FRAMES_PER_SECOND

    @property
    def pictures(self) -> int:
        return len(self._pictures)


def measure(arguments: argparse.Namespace, folder: Path) -> Report:
    machine, bench, rounds = facts(), Bench(arguments, folder), list[Round]()
    for index in range(arguments.rounds):
        for mode in arguments.modes:
            rounds.append(bench.round(mode, ours_first=index % 2 == 0))
            print(ladder_report.line(rounds[-1]), file=sys.stderr)
    version = subprocess.run([arguments.ffmpeg, "-version"], check=True, capture_output=True, text=True).stdout
    one, five = memory_mib(bench.source, 1), memory_mib(bench.source, 5)
    return Report(
        facts=machine,
        load_after=os.getloadavg(),
        command="python -m tests.bench.ladder " + " ".join(sys.argv[1:]),
        source=f"H.264 {arguments.size}, {FRAMES_PER_SECOND} frames/s, {arguments.seconds} s",
        preset=arguments.preset,
        rungs=", ".join(f"{to}p {rate / 1e6:g} Mbit/s" for to, rate in RUNGS),
        ffmpeg=" ".join(version.split()[:3]),
        libavcodec=".".join(map(str, av.library_versions["libavcodec"])),
        rounds=rounds,
        picture_ms={mode: took for mode, took in bench.took.items() if took},
        left_out=sum(bench.pictures * arguments.rounds - len(bench.took[m]) for m in arguments.modes if m == "paced"),
        first_ladder_mib=one,
        further_ladder_mib=(five - one) / 4,
    )


def memory_mib(source: Path, ladders: int) -> float:
    """What so many ladders add to a fresh process that has everything imported."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench.ladder", "--memory", str(ladders), "--source", str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(result.stdout)


def memory_here(source: Path, ladders: int) -> float:
    encoders = EncoderChoice("superfast", hardware=False)
    pictures = rtp_packets(source)[:90]
    rungs, process = our_rungs(1920, 1080), psutil.Process()
    before = process.memory_info().rss
    engines = [(LadderEngine("H264", GOP_S, encoders), Depacketizer("H264")) for _ in range(ladders)]
    for engine, _ in engines:
        engine.set_rungs(rungs)
    for packets in pictures:
        for engine, reception in engines:
            for packet in packets:
                for frame in reception.add(packet, 0.0):
                    engine.process(frame, encode=True)
    return (process.memory_info().rss - before) / (1 << 20)


def main() -> None:
    """Prints the report as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=tuple(MODES))
    parser.add_argument("--preset", default="superfast")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--cpu", type=int, default=0, help="for `pinned`: neighbours disturb both alike")
    parser.add_argument("--ffmpeg", default=imageio_ffmpeg.get_ffmpeg_exe())
    parser.add_argument("--memory", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(memory_here(arguments.source, arguments.memory))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(ladder_report.document(measure(arguments, Path(folder))))


if __name__ == "__main__":
    main()
