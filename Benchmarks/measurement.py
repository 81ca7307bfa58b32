"""Seconds and memory of a whole process with its children.

Memory is the proportional set size, so that memory shared between worker processes counts once, or the kernel's own figure for
the largest process if that is more. It is sampled once a second: more often would slow tools with many processes.
"""
import os, subprocess, sys, tempfile, threading, time


def process_tree(root):
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry))
    tree, queue = [], [root]
    while queue:
        process = queue.pop()
        tree.append(process)
        queue += children.get(process, [])
    return tree


def memory(root):
    total = 0
    for process in process_tree(root):
        try:
            with open(f"/proc/{process}/smaps_rollup") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    return total * 1024


def measure(command, environment, output=None):
    """Seconds and bytes; what the command prints goes to the file `output`, if given."""
    with open(output, "w+b") if output else tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], env=environment, stdout=log, stderr=subprocess.STDOUT)
        peak, done = [0], threading.Event()

        def watch():
            while not done.wait(1):
                peak[0] = max(peak[0], memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
        if status != 0:
            log.seek(0)
            sys.exit(f"{' '.join(map(str, command))}\nfailed:\n{log.read().decode(errors='replace')}")
        return seconds, max(peak[0], usage.ru_maxrss * 1024)
