"""The speed workload, and the plain PyTorch loop that it is measured beside.

    python3 -m venv venv && venv/bin/pip install numpy torch
    venv/bin/python speed.py data FOLDER [CLIENTS]              writes train.jsonl.gz and test.jsonl.gz
    venv/bin/python speed.py torch FOLDER [COHORT] [ROUNDS]     federated averaging, two processes, sparse gradients

15,000 utterances of 15 words, 150 intents: six words of an utterance are its intent's own, nine are anybody's. Shards of
150; clients beyond the first 100 have the shards of the first 100. The loop has no codec, no checks and no metrics.
"""

import gzip
import json
import sys
import time

WORDS, DIM, INTENTS, LENGTH, OWN = 4096, 64, 150, 15, 20
SHARDS, EXAMPLES, BATCH, RATE = 100, 150, 10, 0.5


def write_data(folder, clients):
    import os

    import numpy as np

    rng = np.random.default_rng(42)
    own = rng.integers(0, WORDS, (INTENTS, OWN))

    def utterances(n):
        intents = np.arange(n) % INTENTS
        rng.shuffle(intents)
        chosen = np.take_along_axis(own[intents], rng.integers(0, OWN, (n, 6)), 1)
        return np.concatenate([chosen, rng.integers(0, WORDS, (n, LENGTH - 6))], 1), intents

    train, test = utterances(SHARDS * EXAMPLES), utterances(3000)
    os.makedirs(folder, exist_ok=True)

    def lines(words, intents, split, client):
        for row, intent in zip(words, intents):
            text = " ".join(f"w{w:04d}" for w in row)
            line = {"text": text, "intent": f"i{intent:03d}", "split": split, "client": client, "lang": "en"}
            yield json.dumps(line) + "\n"

    with gzip.open(f"{folder}/train.jsonl.gz", "wt", compresslevel=1) as out:
        for client in range(clients):
            at = slice(client % SHARDS * EXAMPLES, (client % SHARDS + 1) * EXAMPLES)
            out.writelines(lines(train[0][at], train[1][at], "train", f"c{client:05d}"))
    with gzip.open(f"{folder}/test.jsonl.gz", "wt", compresslevel=1) as out:
        out.writelines(lines(*test, "test", None))


def read(path):
    clients = {}
    with gzip.open(path, "rt") as lines:
        for line in map(json.loads, lines):
            row = [int(word[1:]) for word in line["text"].split()], int(line["intent"][1:])
            clients.setdefault(line["client"], []).append(row)
    return list(clients.values())


def batches(rows):
    import torch

    words, intents = (torch.tensor(column) for column in zip(*rows))
    return [(words[i : i + BATCH], intents[i : i + BATCH]) for i in range(0, len(rows), BATCH)]


def network():
    import torch

    torch.manual_seed(0)
    bag = torch.nn.EmbeddingBag(WORDS, DIM, mode="sum", sparse=True)
    torch.nn.init.uniform_(bag.weight, -0.05, 0.05)
    return torch.nn.Sequential(bag, torch.nn.Linear(DIM, INTENTS))


def process(pipe, folder, shared, total):
    """Trains the clients it is sent, one after another, from the shared parameters, and adds theirs up."""
    import torch

    torch.set_num_threads(1)
    shards, model = read(f"{folder}/train.jsonl.gz"), network()
    ready = {}
    optimiser = torch.optim.SGD(model.parameters(), RATE)
    pipe.send(len(shards))
    while (cohort := pipe.recv()) is not None:
        total.zero_()
        for client in cohort:
            if client % SHARDS not in ready:
                ready[client % SHARDS] = batches(shards[client])
            torch.nn.utils.vector_to_parameters(shared.clone(), model.parameters())
            for words, intents in ready[client % SHARDS]:
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(model(words), intents).backward()
                optimiser.step()
            with torch.no_grad():
                total += torch.nn.utils.parameters_to_vector(model.parameters())
        pipe.send(True)


def run_torch(folder, size, rounds):
    import random

    import torch
    import torch.multiprocessing as mp

    mp.set_start_method("spawn")
    model = network()
    shared = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone().share_memory_()
    totals = [torch.zeros_like(shared).share_memory_() for _ in range(2)]
    pipes = []
    for total in totals:
        ours, theirs = mp.Pipe()
        mp.Process(target=process, args=(theirs, folder, shared, total), daemon=True).start()
        pipes.append(ours)
    clients = [pipe.recv() for pipe in pipes][0]
    random.seed(0)
    seconds = []
    for _ in range(rounds):
        begin, cohort = time.perf_counter(), random.sample(range(clients), size)
        for i, pipe in enumerate(pipes):
            pipe.send(cohort[i::2])
        for pipe in pipes:
            pipe.recv()
        shared.copy_((totals[0] + totals[1]) / size)
        seconds.append(time.perf_counter() - begin)
    for pipe in pipes:
        pipe.send(None)
    torch.nn.utils.vector_to_parameters(shared, model.parameters())
    (test,) = read(f"{folder}/test.jsonl.gz")
    with torch.no_grad():
        words, intents = (torch.tensor(column) for column in zip(*test))
        accuracy = (model(words).argmax(1) == intents).float().mean().item()
    # The first round also turns shards into tensors.
    later = seconds[1:] or seconds
    print(f"{size * len(later) / sum(later):.0f} clients a second, accuracy {accuracy:.4f} after {rounds} rounds")


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) >= 2 and words[0] == "data":
        write_data(words[1], int(words[2]) if len(words) > 2 else SHARDS)
    elif len(words) >= 2 and words[0] == "torch":
        size, rounds = (int(w) for w in (words[2:] + ["10", "65"][len(words[2:]) :]))
        run_torch(words[1], size, rounds)
    else:
        sys.exit(__doc__)
