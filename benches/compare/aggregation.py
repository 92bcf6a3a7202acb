"""Aggregation beside numpy, torch, Flower, ByzFL and FedLab: the same arrays, in the same minute.

    python3 -m venv venv
    venv/bin/pip install numpy torch flwr==1.41.0 byzfl==0.0.11
    venv/bin/pip install --no-deps fedlab==1.3.0
    cargo build --release
    venv/bin/python benches/compare/aggregation.py --binary target/release/sottovoce [--sizes 10x1e6,100x1e5] [--rules mean,krum]

Arrays are written as .npy files and read by `sottovoce aggregate`, which maps them into memory; the peers get them as
arrays in memory. Each call is repeated for about a second, the callers take turns for three rounds, and the fastest call
of each counts: what other work on the machine costs falls on nobody. `read` is the machine's read
bandwidth as `sottovoce bench aggregation` measures it. A peer that is not installed is left out. Of what
FedLab depends on, its aggregators need torch and numpy only: hence --no-deps.

Rules with f take f = clients / 5, Bulyan the largest f it allows. ByzFL's geometric median takes its default of three
steps, this project's runs until it moves by less than 1e-6. Flower's trimmed mean cuts 20 % on each side, as f does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
import numpy as np  # noqa: E402


def optional(name):
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        print(f"# {name} is not installed", file=sys.stderr)
        return None


torch, byzfl = optional("torch"), optional("byzfl")
flower = optional("flwr.server.strategy.aggregate")
fedlab = optional("fedlab.utils")


def make(clients, params, path):
    """Updates that differ by client, as normal numbers around 0, and integer weights."""
    rng = np.random.default_rng(0)
    array = np.lib.format.open_memmap(path, "w+", np.float32, (clients, params))
    base = rng.standard_normal(params, dtype=np.float32)
    for i in range(clients):
        array[i] = np.roll(base, 7919 * i)
    array.flush()
    return np.array(array), [100 + i % 7 for i in range(clients)]


def peers(rule, x, weights):
    """The calls that do what the rule does: name, function."""
    n, _ = x.shape
    f = max(1, n // 5)
    w = np.asarray(weights, np.float32)
    w /= w.sum()
    rows = [([x[i]], weights[i]) for i in range(n)]
    t = torch.from_numpy(x) if torch else None
    calls = []
    add = calls.append
    if rule == "mean":
        add(("numpy w @ X", lambda: w @ x))
        if torch:
            tw = torch.from_numpy(w)
            add(("torch w @ X", lambda: tw @ t))
        if flower:
            add(("Flower aggregate", lambda: flower.aggregate(rows)))
        if byzfl:
            add(("ByzFL Average", lambda: byzfl.Average()(t)))
        if torch and fedlab:
            tensors = list(t)
            add(("FedLab fedavg", lambda: fedlab.Aggregators.fedavg_aggregate(tensors, weights)))
    elif rule == "median":
        add(("numpy median", lambda: np.median(x, axis=0)))
        if torch:
            add(("torch median", lambda: t.median(dim=0).values))
        if flower:
            add(("Flower median", lambda: flower.aggregate_median(rows)))
        if byzfl:
            add(("ByzFL Median", lambda: byzfl.Median()(t)))
    elif rule == "trimmed-mean":
        add(("numpy sort, mean", lambda: np.sort(x, axis=0)[f : n - f].mean(axis=0)))
        if flower:
            add(("Flower trimmed", lambda: flower.aggregate_trimmed_avg(rows, 0.2)))
        if byzfl:
            add(("ByzFL TrMean", lambda: byzfl.TrMean(f=f)(t)))
    elif rule == "meamed" and byzfl:
        add(("ByzFL Meamed", lambda: byzfl.Meamed(f=f)(t)))
    elif rule in ("krum", "multi-krum"):
        keep = 0 if rule == "krum" else n - f
        if flower:
            add(("Flower " + rule, lambda: flower.aggregate_krum(rows, f, keep)))
        if byzfl:
            peer = byzfl.Krum(f=f) if rule == "krum" else byzfl.MultiKrum(f=f)
            add(("ByzFL " + rule, lambda: peer(t)))
    elif rule == "bulyan" and flower:
        fb = (n - 3) // 4
        krum = flower.aggregate_krum
        add(("Flower Bulyan", lambda: flower.aggregate_bulyan(list(rows), fb, krum, to_keep=0)))
    elif rule == "geometric-median" and byzfl:
        add(("ByzFL GeometricMedian", lambda: byzfl.GeometricMedian()(t)))
    elif rule == "centered-clipping" and byzfl:
        add(("ByzFL CenteredClipping", lambda: byzfl.CenteredClipping()(t)))
    return calls


def parameters(rule, n):
    """Options of `sottovoce aggregate` for the rule."""
    if rule == "bulyan":
        return ["--faulty", str((n - 3) // 4)]
    if rule in ("trimmed-mean", "meamed", "krum", "multi-krum"):
        return ["--faulty", str(max(1, n // 5))]
    if rule == "centered-clipping":
        return ["--param", "tau=100", "--param", "L=1"]
    if rule == "geometric-median":
        return ["--param", "tolerance=1e-6"]
    return []


def ours(binary, rule, path, weights, out, repeat):
    """Seconds of the fastest of some aggregations, as the command itself measures them."""
    command = [binary, "aggregate", "--rule", rule, "--json", "--quiet", "--repeat", str(repeat), "-o", out, path]
    if rule == "mean":
        command += ["--weights", ",".join(map(str, weights))]
    command += parameters(rule, len(weights))
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["seconds"]


def fastest(call, budget=1.0):
    best, start = float("inf"), time.perf_counter()
    while True:
        begin = time.perf_counter()
        call()
        end = time.perf_counter()
        best = min(best, end - begin)
        if end - start > budget:
            return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/sottovoce")
    parser.add_argument("--sizes", default="10x1e6,100x1e5,100x1e6,10x1e7")
    parser.add_argument(
        "--rules",
        default="mean,median,trimmed-mean,meamed,krum,multi-krum,bulyan,geometric-median,centered-clipping",
    )
    options = parser.parse_args()
    if torch:
        torch.set_num_threads(os.cpu_count() or 1)
    print("| rule | clients × parameters | seconds | GB/s | of read | peers: seconds (times as long) |")
    print("|---|---|---|---|---|---|")
    for size in options.sizes.split(","):
        clients, params = (int(float(s)) for s in size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            path, out = os.path.join(folder, "updates.npy"), os.path.join(folder, "out.npy")
            x, weights = make(clients, params, path)
            for rule in options.rules.split(","):
                if rule == "bulyan" and clients < 7:
                    continue
                calls = peers(rule, x, weights)
                best = {name: float("inf") for name, _ in calls}
                mine, read = ours(options.binary, rule, path, weights, out, 3), 0.0
                for _ in range(3):
                    repeat = max(1, min(10_000, round(1 / mine)))
                    mine = min(mine, ours(options.binary, rule, path, weights, out, repeat))
                    bench = [options.binary, "bench", "aggregation", "--rule", "mean", "--clients", str(clients)]
                    bench += ["--params", str(params), "--seconds", "0.3", "--json"]
                    row = json.loads(subprocess.run(bench, check=True, capture_output=True).stdout)
                    read = max(read, (row[0] if isinstance(row, list) else row)["read_gb_per_s"])
                    for name, call in calls:
                        best[name] = min(best[name], fastest(call))
                speed = x.nbytes / mine / 1e9
                them = ", ".join(f"{name} {s:.4f} ({s / mine:.1f})" for name, s in best.items())
                print(f"| {rule} | {size} | {mine:.4f} | {speed:.1f} | {speed / read:.2f} | {them} |", flush=True)


if __name__ == "__main__":
    main()
