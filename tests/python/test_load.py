"""Eight threads use the device at once for TFVK_LOAD_SECONDS seconds (20 unless that is set): right results throughout, and memory that does not grow."""

import ctypes
import gc
import os
import threading
import time
from dataclasses import dataclass

import pytest
import tensorflow as tf
from load_tasks import tasks_of_thread
from tensorflow.python.eager import context

THREADS = 8
SECONDS = float(os.environ.get("TFVK_LOAD_SECONDS", "20"))
WARM_ROUNDS = 9  # the longest cycle of a task's cases
PARTS = 10  # of SECONDS; after each all threads wait and memory is measured
MIB = 1 << 20

# What the memory may grow by after the warm-up. TensorFlow itself, on the CPU without the plugin, keeps 25 bytes of heap a call of this load, and the threads'
# heaps fill up by 30 MiB in the first minutes; a tensor, a handle or a command buffer forgotten at every call is above these.
RESIDENT_GROWTH = 64 * MIB
HEAP_GROWTH, HEAP_GROWTH_OF_CALL = MIB // 2, 50
DEVICE_GROWTH = 96 * 1024  # tensors that the last calls of a part have not yet let go


@dataclass
class Sample:
    seconds: float
    calls: int
    resident: int  # bytes of the process
    heap: int  # bytes that the C library has given out
    on_device: int  # bytes of tensors

    def __str__(self):
        return (
            f"{self.seconds:6.1f} s, {self.calls:8d} calls: {self.resident / MIB:7.1f} MiB resident, "
            f"{self.heap / MIB:7.2f} MiB of heap, {self.on_device / MIB:6.3f} MiB on the device"
        )


class HeapUse(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33 and later."""

    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]


def heap_bytes() -> int:
    """0 where the C library does not tell."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        print("this C library has no mallinfo2: growth of the heap is not seen")
        return 0
    libc.mallinfo2.restype = HeapUse
    return libc.mallinfo2().uordblks


def resident_bytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


class Load:
    """The threads, which wait for each other at the end of every part; the last to come takes a sample."""

    def __init__(self, device, folder):
        self.device = device
        with tf.device(device):
            self.tasks = [tasks_of_thread(i, folder / str(i)) for i in range(THREADS)]
        self.calls = [0] * THREADS
        self.samples = []
        self.failure = None
        self.barrier = threading.Barrier(THREADS, action=self.sample)

    def run(self) -> list[Sample]:
        """The samples after the warm-up and after every part; raises what any thread raised."""
        self.begin = time.monotonic()
        threads = [threading.Thread(target=self.work, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failure is not None:
            raise self.failure
        return self.samples

    def work(self, i):
        try:
            with tf.device(self.device):
                for _ in range(WARM_ROUNDS):
                    self.one_round(i)
                self.barrier.wait()
                for _ in range(PARTS):
                    end = time.monotonic() + SECONDS / PARTS
                    while time.monotonic() < end:
                        self.one_round(i)
                    self.barrier.wait()
        except threading.BrokenBarrierError:
            pass  # another thread failed
        except BaseException as failure:  # raised by run()
            self.failure = self.failure or failure
            self.barrier.abort()

    def one_round(self, i):
        for task in self.tasks[i]:
            if self.failure is not None:
                raise threading.BrokenBarrierError
            self.calls[i] += task()

    def sample(self):
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # memory that is free must not count, wherever in the heap it lies
        on_device = tf.config.experimental.get_memory_info(self.device.removeprefix("/device:"))["current"]
        self.samples.append(Sample(time.monotonic() - self.begin, sum(self.calls), resident_bytes(), heap_bytes(), on_device))
        print(self.samples[-1], flush=True)


@pytest.mark.timeout(2 * SECONDS + 300)
def test_right_results_and_no_growth_under_load(device, tmp_path, monkeypatch):
    # A checkpoint waits for the executors of all threads, and TensorFlow's iterators make one for each batch and delete it while it is waited for, on any
    # device: "UnlockSlow is confused", once in some 50,000 calls. Nothing here runs asynchronously.
    monkeypatch.setattr(context, "async_wait", lambda: None)
    first, *_, last = Load(device, tmp_path).run()
    calls = last.calls - first.calls
    assert calls > THREADS * PARTS, f"only {calls} calls in {SECONDS:g} s"
    assert last.resident - first.resident < RESIDENT_GROWTH
    assert last.heap - first.heap < HEAP_GROWTH + HEAP_GROWTH_OF_CALL * calls
    assert last.on_device - first.on_device < DEVICE_GROWTH
