"""Trajectories of federated algorithms, from the pseudo-code of their papers: dense float64, no shortcuts.

Writes `trajectories.json` beside itself, which `tests/golden.rs` holds the library against:
    python3 tests/golden/trajectories.py          (needs numpy)

The model is a softmax regression that starts at zero; MOON's is an embedding bag, since it needs representations.
Every client moves every parameter, also those of features that it does not have. Clients are weighted by their examples but
in FedDyn, whose paper counts them alike.
"""

import json
import pathlib

import numpy as np

FEATURES, CLASSES, SCALE = 24, 4, 0.5
LR, EPOCHS, BATCH = 0.4, 2, 3
SIZES = [5, 9, 4, 12, 7, 8]
# Cohorts of 4 of 6 clients; the test checks that they are the library's for its seed.
COHORTS = json.loads((pathlib.Path(__file__).parent / "cohorts.json").read_text())


def shard(client, size):
    """Examples by a small congruential rule; every client has a taste of its own."""
    state, examples = 12345 + 977 * client, []
    for _ in range(size):
        drawn = []
        for _ in range(5):
            state = (1103515245 * state + 12345) % 2**31
            drawn.append(state // 2**8)
        label = (client + drawn[0] % 2) % CLASSES
        rows = sorted((d % (FEATURES // CLASSES)) * CLASSES + (label if i % 3 else d % CLASSES) for i, d in enumerate(drawn[1:]))
        examples.append((rows, label))
    return examples


SHARDS = [shard(c, n) for c, n in enumerate(SIZES)]


def gradient(w, examples):
    """Of the mean cross-entropy; `w` is (FEATURES + 1) x CLASSES, the last row the bias."""
    g = np.zeros_like(w)
    for rows, label in examples:
        x = np.zeros(FEATURES + 1)
        for r in rows:
            x[r] += SCALE
        x[-1] = 1.0
        z = x @ w
        p = np.exp(z - z.max())
        p /= p.sum()
        p[label] -= 1.0
        g += np.outer(x, p) / len(examples)
    return g


def local(w, client, adjust=lambda y, g: g, gradient=gradient):
    """SGD in the order of the shard; returns the parameters and the number of steps."""
    y, steps = w.copy(), 0
    for _ in range(EPOCHS):
        for i in range(0, len(SHARDS[client]), BATCH):
            y = y - LR * adjust(y, gradient(y, SHARDS[client][i : i + BATCH]))
            steps += 1
    return y, steps


def weights(cohort):
    n = np.array([SIZES[c] for c in cohort], float)
    return n / n.sum()


def mean(ws, xs):
    return sum(w * x for w, x in zip(ws, xs))


def fedavg(w, state, cohort):
    return mean(weights(cohort), [local(w, c)[0] for c in cohort]), state


def fedprox(w, state, cohort, mu=0.2):
    return mean(weights(cohort), [local(w, c, lambda y, g: g + mu * (y - w))[0] for c in cohort]), state


def adaptive(second):
    def step(w, state, cohort, lr=0.1, b1=0.9, b2=0.99, tau=1e-3):
        m, v = state or (np.zeros_like(w), np.full_like(w, tau * tau))
        d = fedavg(w, None, cohort)[0] - w
        m = b1 * m + (1 - b1) * d
        v = second(v, d * d, b2)
        return w + lr * m / (np.sqrt(v) + tau), (m, v)

    return step


fedadam = adaptive(lambda v, s, b2: b2 * v + (1 - b2) * s)
fedyogi = adaptive(lambda v, s, b2: v - (1 - b2) * s * np.sign(v - s))


def scaffold(option):
    def step(w, state, cohort):
        c, own = state or (np.zeros_like(w), [np.zeros_like(w) for _ in SIZES])
        ys, changes = [], []
        for i in cohort:
            y, steps = local(w, i, lambda y, g: g - own[i] + c)
            new = gradient(w, SHARDS[i]) if option == 1 else own[i] - c + (w - y) / (steps * LR)
            ys.append(y)
            changes.append(new - own[i])
            own[i] = new
        p = weights(cohort)
        return mean(p, ys), (c + len(cohort) / len(SIZES) * mean(p, changes), own)

    return step


def fednova(w, state, cohort):
    done = [local(w, c) for c in cohort]
    p = weights(cohort)
    tau = mean(p, [steps for _, steps in done])
    return w + tau * mean(p, [(y - w) / steps for y, steps in done]), state


def feddyn(w, state, cohort, alpha=0.1):
    h, own = state or (np.zeros_like(w), [np.zeros_like(w) for _ in SIZES])
    ys = []
    for i in cohort:
        y, _ = local(w, i, lambda y, g: g - own[i] + alpha * (y - w))
        own[i] = own[i] - alpha * (y - w)
        ys.append(y)
    h = h - alpha / len(SIZES) * sum(y - w for y in ys)
    return sum(ys) / len(ys) - h / alpha, (h, own)


DIM = 3
# Of the embedding bag: table, output, bias, one after another.
START = np.array([(37 * i + 11) % 101 / 101 - 0.5 for i in range(FEATURES * DIM + (DIM + 1) * CLASSES)]).round(3)


def representations(w, examples):
    table = w[: FEATURES * DIM].reshape(FEATURES, DIM)
    return np.array([SCALE * sum(table[r] for r in rows) for rows, _ in examples])


def cosine(a, b):
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def moon(w, state, cohort, mu=1.0, tau=0.5):
    """No gradient is derived: it is taken of the loss as the paper has it, by complex steps, which lose no digit."""
    last, ys = dict(state or {}), []
    for i in cohort:

        def loss(y, examples):
            z = representations(y, examples)
            scores = z @ y[FEATURES * DIM : -CLASSES].reshape(DIM, CLASSES) + y[-CLASSES:]
            own = scores[np.arange(len(examples)), [label for _, label in examples]]
            total = (np.log(np.exp(scores).sum(1)) - own).mean()
            if i in last:
                near = np.exp(cosine(z, representations(w, examples)) / tau)
                far = np.exp(cosine(z, representations(last[i], examples)) / tau)
                total -= mu * np.log(near / (near + far)).mean()
            return total

        def slopes(y, examples):
            return np.array([loss(y + step, examples).imag / 1e-30 for step in 1e-30j * np.eye(len(y))])

        ys.append(local(w, i, gradient=slopes)[0])
    last.update(zip(cohort, ys))
    return mean(weights(cohort), ys), last


ALGORITHMS = [
    ({"kind": "fedavg"}, fedavg),
    ({"kind": "fedprox", "mu": 0.2}, fedprox),
    ({"kind": "fedopt", "optimiser": "adam", "server_lr": 0.1}, fedadam),
    ({"kind": "fedopt", "optimiser": "yogi", "server_lr": 0.1}, fedyogi),
    ({"kind": "scaffold", "option": 1}, scaffold(1)),
    ({"kind": "scaffold", "option": 2}, scaffold(2)),
    ({"kind": "fednova"}, fednova),
    ({"kind": "feddyn", "alpha": 0.1}, feddyn),
    ({"kind": "moon", "mu": 1.0}, moon),
]

runs = []
for config, step in ALGORITHMS:
    w, state, rounds = START if step is moon else np.zeros((FEATURES + 1, CLASSES)), None, {}
    for r, cohort in enumerate(COHORTS):
        w, state = step(w, state, cohort)
        if r + 1 in (1, 2, 20):
            rounds[r + 1] = [round(float(v), 9) for v in w.ravel()]
    runs.append({"algorithm": config, "params": rounds} | ({"dim": DIM, "start": list(START)} if step is moon else {}))

out = {
    "features": FEATURES, "classes": CLASSES, "scale": SCALE, "lr": LR, "epochs": EPOCHS, "batch": BATCH,
    "shards": SHARDS, "runs": runs,
}
path = pathlib.Path(__file__).parent / "trajectories.json"
path.write_text(json.dumps(out, separators=(",", ":")).replace('{"algorithm"', '\n{"algorithm"') + "\n")
