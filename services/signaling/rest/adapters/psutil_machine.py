"""What the system says of this machine and of this process."""

from __future__ import annotations

import os
import platform
import socket
import sys
import threading
import time
import traceback

import psutil

from rillcast.runtime.http.memory import memory_limit
from services.signaling.rest.domain.system import (
    CpuUsage,
    FileSystem,
    ProcessMemory,
    ServerTime,
    SystemInfo,
    SystemMemory,
    Threads,
    ThreadState,
)
from services.signaling.rest.ports import Traffic

_ARCHITECTURES = {"x86_64": "amd64"}
"""As Java calls them."""
_LOOPBACK = ("lo", "lo0")


class PsutilMachine:
    """`ports.Machine`. One per signaling instance."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._count = psutil.cpu_count() or 1
        self._limit = memory_limit()
        self._started_s = self._process.create_time()
        self._most_threads = 0
        self._percent = self._own_percent = 0
        self.measure()

    def measure(self) -> None:
        """See `Machine.measure`."""
        self._percent = round(psutil.cpu_percent(interval=None))
        self._own_percent = min(100, round(self._process.cpu_percent(interval=None) / self._count))

    @property
    def host(self) -> str:
        """The name of the machine."""
        return socket.gethostname()

    def cpu(self) -> CpuUsage:
        """See `Machine.cpu`."""
        times = self._process.cpu_times()
        return CpuUsage(
            process_cpu_time=int((times.user + times.system) * 1_000_000),
            system_cpu_load=self._percent,
            process_cpu_load=self._own_percent,
            system_load_average_last_minute=os.getloadavg()[0],
        )

    def process_memory(self) -> ProcessMemory:
        """See `Machine.process_memory`."""
        used = self._process.memory_info().rss
        most = max(self._limit, used)
        return ProcessMemory(max_memory=most, total_memory=most, free_memory=most - used, in_use_memory=used)

    def system(self) -> SystemInfo:
        """See `Machine.system`."""
        machine = platform.machine()
        return SystemInfo(
            os_name=platform.system(), os_arch=_ARCHITECTURES.get(machine, machine), processor_count=self._count
        )

    def memory(self) -> SystemMemory:
        """See `Machine.memory`."""
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return SystemMemory(
            virtual_memory=self._process.memory_info().vms,
            total_memory=memory.total,
            free_memory=memory.available,
            in_use_memory=memory.total - memory.available,
            total_swap_space=swap.total,
            free_swap_space=swap.free,
            in_use_swap_space=swap.used,
            available_memory=memory.available,
        )

    def disk(self) -> FileSystem:
        """See `Machine.disk`."""
        found = os.statvfs(".")
        total, free = found.f_blocks * found.f_frsize, found.f_bfree * found.f_frsize
        return FileSystem(
            usable_space=found.f_bavail * found.f_frsize,
            total_space=total,
            free_space=free,
            in_use_space=total - free,
        )

    def time(self) -> ServerTime:
        """See `Machine.time`."""
        return ServerTime(up_time=int((time.time() - self._started_s) * 1000), start_time=int(self._started_s * 1000))

    def traffic(self) -> Traffic:
        """See `Machine.traffic`."""
        cards = [one for name, one in psutil.net_io_counters(pernic=True).items() if name not in _LOOPBACK]
        return Traffic(sent=sum(one.bytes_sent for one in cards), received=sum(one.bytes_recv for one in cards))

    def threads(self) -> Threads:
        """See `Machine.threads`."""
        count = self._process.num_threads()
        self._most_threads = max(self._most_threads, count)
        return Threads(thread_count=count, thread_peak_count=self._most_threads)

    def thread_states(self) -> list[ThreadState]:
        """See `Machine.thread_states`."""
        names = {one.native_id: one.name for one in threading.enumerate()}
        return [
            ThreadState(
                thread_name=names.get(one.id, f"native {one.id}"),
                thread_id=one.id,
                cpu_time=int((one.user_time + one.system_time) * 1e9),
                user_time=int(one.user_time * 1e9),
            )
            for one in self._process.threads()
        ]

    def thread_dump(self) -> str:
        """See `Machine.thread_dump`."""
        names = {one.ident: one.name for one in threading.enumerate()}
        stacks = [
            f'"{names.get(ident, ident)}"\n{"".join(traceback.format_stack(frame))}'
            for ident, frame in sys._current_frames().items()
        ]
        return "\n".join(stacks)
