"""What a ladder costs: `python -m tests.bench.ladder`. CPU against one ffmpeg command with the same source, rungs,
preset and threads, taken in turns in one run; time from a picture's last packet to the rungs' packets; memory.

Ours goes from RTP packets to RTP packets; ffmpeg from a file to its null muxer, which favours it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import msgspec
import psutil
from aiortc.codecs.h264 import H264Encoder

from rillcast.contracts.ids import TrackId
from services.transcoder.adapters.encoder_choice import EncoderChoice
from services.transcoder.adapters.ladder_engine import LadderEngine
from services.transcoder.domain.ladder import Rung, width_for
from services.transcoder.domain.packets import Packetizer
from services.transcoder.domain.reception import Reception

FRAMES_PER_SECOND = 30
GOP_S = 2
RUNGS = ((720, 2_000_000), (480, 1_000_000), (360, 600_000))
CLOCK_RATE = 90_000
PICTURES = "testsrc2=size={size}:rate=30,noise=alls=12:allf=t"
"""Movement and grain: about as hard as a camera."""


class Round(msgspec.Struct, frozen=True):
    """CPU seconds per second of media."""

    ours: float
    ffmpeg: float


class Report(msgspec.Struct, frozen=True):
    """All of one run."""

    source: str
    preset: str
    rungs: str
    ffmpeg: str
    libavcodec: str
    rounds: list[Round]
    ratio: float
    """Median over the rounds."""
    picture_ms_p50: float
    picture_ms_p99: float
    first_ladder_mib: float
    further_ladder_mib: float


def make_source(ffmpeg: str, folder: Path, size: str, seconds: int) -> Path:
    """H.264 as browsers send it: baseline, no B-frames, a keyframe every two seconds."""
    path = folder / "source.h264"
    subprocess.run(
        [
            ffmpeg, "-loglevel", "error", "-y", "-f", "lavfi", "-i", PICTURES.format(size=size), "-t", str(seconds),
            "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline",
            "-pix_fmt", "yuv420p", "-b:v", "5M", "-maxrate", "5M", "-bufsize", "5M",
            "-g", str(GOP_S * FRAMES_PER_SECOND), "-f", "h264", str(path),
        ],
        check=True,
    )  # fmt: skip
    return path


def rtp_packets(path: Path) -> list[list[bytes]]:
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


def run_ours(pictures: list[list[bytes]], rungs: list[Rung], encoders: EncoderChoice) -> list[float]:
    """Milliseconds per picture."""
    engine, reception = LadderEngine("H264", GOP_S, encoders), Reception("H264")
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


def ffmpeg_command(ffmpeg: str, source: Path, rungs: list[Rung], preset: str) -> list[str]:
    """The same ladder as one command."""
    names = [f"r{rung.height}" for rung in rungs]
    graph = f"[0:v]split={len(rungs)}" + "".join(f"[s{name}]" for name in names)
    for rung, name in zip(rungs, names, strict=True):
        graph += f";[s{name}]scale={rung.width}:{rung.height}:flags=fast_bilinear,format=yuv420p[{name}]"
    command = [
        ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-threads", "1", "-r", str(FRAMES_PER_SECOND),
        "-f", "h264", "-i", str(source), "-filter_complex_threads", "1", "-filter_complex", graph,
    ]  # fmt: skip
    for rung, name in zip(rungs, names, strict=True):
        command += [
            "-map", f"[{name}]", "-c:v", "libx264", "-threads", "1", "-preset", preset, "-tune", "zerolatency",
            "-profile:v", "baseline", "-b:v", str(rung.bitrate_bps), "-maxrate", str(rung.bitrate_bps),
            "-bufsize", str(rung.bitrate_bps // 2), "-g", str(GOP_S * FRAMES_PER_SECOND), "-sc_threshold", "0",
            "-f", "null", "-",
        ]  # fmt: skip
    return command


def cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def measure(arguments: argparse.Namespace, folder: Path) -> Report:
    width, height = (int(side) for side in arguments.size.split("x"))
    source = make_source(arguments.ffmpeg, folder, arguments.size, arguments.seconds)
    pictures, rungs = rtp_packets(source), our_rungs(width, height)
    media_s = len(pictures) / FRAMES_PER_SECOND
    encoders = EncoderChoice(arguments.preset, hardware=False)
    command = ffmpeg_command(arguments.ffmpeg, source, rungs, arguments.preset)
    rounds: list[Round] = []
    took: list[float] = []
    os.sched_setaffinity(0, {arguments.cpu})
    for _ in range(arguments.rounds):
        before = cpu_s(resource.RUSAGE_SELF)
        took += run_ours(pictures, rungs, encoders)
        ours = cpu_s(resource.RUSAGE_SELF) - before
        before = cpu_s(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        rounds.append(Round(ours / media_s, (cpu_s(resource.RUSAGE_CHILDREN) - before) / media_s))
        print(f"ours {rounds[-1].ours:.3f}  ffmpeg {rounds[-1].ffmpeg:.3f} CPU-s/s", file=sys.stderr)
    centiles = statistics.quantiles(took, n=100)
    version = subprocess.run([arguments.ffmpeg, "-version"], check=True, capture_output=True, text=True).stdout
    one, five = memory_mib(source, 1), memory_mib(source, 5)
    return Report(
        source=f"H264 {arguments.size}@{FRAMES_PER_SECOND} {arguments.seconds} s",
        preset=arguments.preset,
        rungs=", ".join(f"{to}p {rate // 1000}k" for to, rate in RUNGS),
        ffmpeg=version.split("\n")[0],
        libavcodec=".".join(map(str, av.library_versions["libavcodec"])),
        rounds=rounds,
        ratio=round(statistics.median(entry.ours / entry.ffmpeg for entry in rounds), 3),
        picture_ms_p50=round(centiles[49], 2),
        picture_ms_p99=round(centiles[98], 2),
        first_ladder_mib=round(one, 1),
        further_ladder_mib=round((five - one) / 4, 1),
    )  # fmt: skip


def memory_mib(source: Path, ladders: int) -> float:
    """What so many ladders add to a fresh process that has everything imported."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench.ladder", "--memory", str(ladders), "--source", str(source)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(result.stdout)


def memory_here(source: Path, ladders: int) -> float:
    encoders = EncoderChoice("superfast", hardware=False)
    pictures = rtp_packets(source)[:90]
    rungs, process = our_rungs(1920, 1080), psutil.Process()
    before = process.memory_info().rss
    engines = [(LadderEngine("H264", GOP_S, encoders), Reception("H264")) for _ in range(ladders)]
    for engine, _ in engines:
        engine.set_rungs(rungs)
    for packets in pictures:
        for engine, reception in engines:
            for packet in packets:
                for frame in reception.add(packet, 0.0):
                    engine.process(frame, encode=True)
    return (process.memory_info().rss - before) / (1 << 20)


def main() -> None:
    """Prints the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="superfast")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--cpu", type=int, default=0, help="both run on this one: neighbours disturb them alike")
    parser.add_argument("--ffmpeg", default=imageio_ffmpeg.get_ffmpeg_exe())
    parser.add_argument("--memory", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(memory_here(arguments.source, arguments.memory))
        return
    with tempfile.TemporaryDirectory() as folder:
        report = measure(arguments, Path(folder))
    print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


if __name__ == "__main__":
    main()
