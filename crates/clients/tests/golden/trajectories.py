"""Trajectories of federated algorithms, from the pseudo-code of their papers: dense float64, no shortcuts.

Writes `trajectories.json` beside itself, which `crates/clients/tests/golden.rs` holds the library against:
    python3 crates/clients/tests/golden/trajectories.py          (needs numpy)

An algorithm is a function of local training, the parameters, its state and a cohort, which returns parameters and state. The
citations are in the headers of `crates/algorithms/src`. Every client moves every parameter, also those of features that it
does not have. Clients are weighted by their examples, but in FedDyn, q-FedAvg, AFL and the FedBuff of the paper.
"""

import json

import numpy as np

from problem import (
    BATCH, CLASSES, CLIENTS, DIM, EPOCHS, FEATURES, HERE, SCALE, SHARDS, SIZES,
    Adam, EmbeddingBag, Local, Momentum, Sgd, SoftmaxRegression, batches, check_gradients, given, slopes, surprise,
)

# 4 of 6 clients in each of 20 rounds.
COHORTS = given("cohorts.json")
# In virtual time, for each size of the buffer: in each step who answers, and in which round it was asked.
ARRIVALS = given("arrivals.json")
ROUNDS = (1, 2, 20)


def weights(cohort):
    n = np.array([SIZES[c] for c in cohort], float)
    return n / n.sum()


def mean(ws, xs):
    return sum(w * x for w, x in zip(ws, xs))


def zeros(w):
    return [np.zeros_like(w) for _ in CLIENTS]


# Of one model.


def averaged(local, w, cohort, adjust=lambda y, g: g):
    return mean(weights(cohort), [local.train(w, c, adjust)[0] for c in cohort])


def fedavg(local, w, state, cohort, server_lr=1.0):
    return w + server_lr * (averaged(local, w, cohort) - w), state


def fedprox(local, w, state, cohort, mu, server_lr=1.0):
    return w + server_lr * (averaged(local, w, cohort, lambda y, g: g + mu * (y - w)) - w), state


def fedavgm(local, w, v, cohort, beta, server_lr):
    v = beta * (0.0 if v is None else v) + averaged(local, w, cohort) - w
    return w + server_lr * v, v


def fedopt(local, w, state, cohort, optimiser, server_lr, beta1=0.9, beta2=0.99, tau=1e-3):
    d = averaged(local, w, cohort) - w
    if optimiser == "sgd":
        return w + server_lr * d, None
    m, v = state or (np.zeros_like(w), np.full_like(w, tau * tau))
    m = beta1 * m + (1 - beta1) * d
    v = {
        "adagrad": lambda: v + d * d,
        "adam": lambda: beta2 * v + (1 - beta2) * d * d,
        "yogi": lambda: v - (1 - beta2) * d * d * np.sign(v - d * d),
    }[optimiser]()
    return w + server_lr * m / (np.sqrt(v) + tau), (m, v)


def scaffold(local, w, state, cohort, option, server_lr=1.0):
    """`c` is the mean of all `c_i`, weighted by examples as the clients are, at all times."""
    c, own = state or (np.zeros_like(w), zeros(w))
    ys = []
    for i in cohort:
        y, steps = local.train(w, i, lambda y, g: g - own[i] + c)
        ys.append(y)
        new = local.gradient(w, i) if option == 1 else own[i] - c + (w - y) / (steps * local.lr)
        own = [new if j == i else old for j, old in enumerate(own)]
    return w + server_lr * (mean(weights(cohort), ys) - w), (mean(weights(CLIENTS), own), own)


def fednova(local, w, state, cohort, server_lr=1.0):
    done = [local.train(w, c) for c in cohort]
    p = weights(cohort)
    tau = mean(p, [steps for _, steps in done])
    return w + server_lr * tau * mean(p, [(y - w) / steps for y, steps in done]), state


def feddyn(local, w, state, cohort, alpha):
    h, own = state or (np.zeros_like(w), zeros(w))
    ys = []
    for i in cohort:
        y, _ = local.train(w, i, lambda y, g: g - own[i] + alpha * (y - w))
        own[i] = own[i] - alpha * (y - w)
        ys.append(y)
    h = h - alpha / len(SIZES) * sum(y - w for y in ys)
    return sum(ys) / len(ys) - h / alpha, (h, own)


def qfedavg(local, w, state, cohort, q, lipschitz):
    deltas, hs = [], []
    for i in cohort:
        f, dw = local.loss(w, i), lipschitz * (w - local.train(w, i)[0])
        deltas.append(f**q * dw)
        hs.append(q * f ** (q - 1) * (dw @ dw) + lipschitz * f**q)
    return w - sum(deltas) / sum(hs), state


def simplex(v):
    """The nearest point of the simplex, by bisection of what has to be taken off everywhere."""
    low, high = v.min() - 1.0, v.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(v - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(v - high, 0)


def afl(local, w, lam, cohort, lambda_lr, server_lr=1.0):
    lam = np.full(len(SIZES), 1 / len(SIZES)) if lam is None else lam
    step = sum(lam[i] * (local.train(w, i)[0] - w) for i in cohort) / sum(lam[i] for i in cohort)
    losses = np.array([local.loss(w, i) if i in cohort else 0.0 for i in CLIENTS])
    return w + server_lr * step, simplex(lam + lambda_lr * losses)


def mimelite(local, w, m, cohort, beta, server_lr=1.0, lite=True):
    m = np.zeros_like(w) if m is None else m
    new = w + server_lr * (averaged(local, w, cohort, lambda _, g: (1 - beta) * g + beta * m) - w)
    c = mean(weights(cohort), [local.gradient(w, i) for i in cohort])
    return new, (1 - beta) * c + beta * m


def changed(local, w, plus):
    """Of a batch: its gradient less that of the same batch at `w`, and what is the same for everybody."""
    return lambda y, batch: local.model.gradient(y, batch) - local.model.gradient(w, batch) + plus


def mime(local, w, s, cohort, beta, server_lr=1.0):
    s = np.zeros_like(w) if s is None else s
    c = mean(weights(cohort), [local.gradient(w, i) for i in cohort])
    corrected = changed(local, w, c)
    ys = [
        local.train(w, i, lambda _, g: (1 - beta) * g + beta * s, gradient=corrected)[0]
        for i in cohort
    ]
    return w + server_lr * (mean(weights(cohort), ys) - w), (1 - beta) * c + beta * s


def fedlin(local, w, state, cohort, server_lr=1.0):
    g = mean(weights(cohort), [local.gradient(w, i) for i in cohort])
    ys = []
    for i in cohort:
        tau = len(list(batches(i)))
        ys.append(local.train(w, i, lambda _, d: d / tau, gradient=changed(local, w, g))[0])
    return w + server_lr * (mean(weights(cohort), ys) - w), state


def moon(local, w, state, cohort, mu, temperature=0.5):
    """No gradient is derived: it is taken of the loss as the paper has it."""
    last, ys, z = dict(state or {}), [], local.model.representations

    def cosine(a, b):
        return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))

    for i in cohort:

        def total(y, examples):
            supervised = surprise(local.model.scores(y, examples), examples)
            if i not in last:
                return supervised
            near = np.exp(cosine(z(y, examples), z(w, examples)) / temperature)
            far = np.exp(cosine(z(y, examples), z(last[i], examples)) / temperature)
            return supervised - mu * np.log(near / (near + far)).mean()

        def gradient(y, examples):
            return slopes(lambda y: total(y, examples), y)

        ys.append(local.train(w, i, gradient=gradient)[0])
    last.update(zip(cohort, ys))
    return mean(weights(cohort), ys), last


# Of several models.


class Hierarchical:
    def __init__(self, edges, cloud_every):
        self.edges, self.cloud_every = edges, cloud_every

    def __call__(self, local, w, state, cohort):
        models, heard, rounds = state or ([w] * self.edges, np.zeros(self.edges), 0)
        models, heard, rounds = list(models), heard.copy(), rounds + 1
        for edge in range(self.edges):
            if mine := [c for c in cohort if c % self.edges == edge]:
                models[edge] = averaged(local, models[edge], mine)
                heard[edge] += sum(SIZES[c] for c in mine)
        if rounds % self.cloud_every:
            return w, (models, heard, rounds)
        return mean(heard / heard.sum(), models), None

    def starts(self, w, state):
        models = state[0] if state else [w] * self.edges
        return [models[c % self.edges] for c in CLIENTS]


class Ifca:
    def __init__(self, clusters, spread):
        # Drawn by the library within the spread.
        self.others = np.array(given("clusters.json")).reshape(clusters - 1, -1)
        assert np.abs(self.others).max() <= spread + 1e-6

    def best(self, local, models, client):
        losses = [local.loss(model, client) for model in models]
        first, second = sorted(losses)[:2]
        assert second - first > 1e-4, "a choice that rounding could turn says nothing"
        return int(np.argmin(losses))

    def __call__(self, local, w, others, cohort):
        models = [w, *(self.others if others is None else others)]
        chosen = {c: self.best(local, models, c) for c in cohort}
        new = list(models)
        for j, model in enumerate(models):
            if mine := [c for c in cohort if chosen[c] == j]:
                new[j] = averaged(local, model, mine)
        return new[0], new[1:]

    def personal(self, local, w, others, client):
        models = [w, *others]
        return models[self.best(local, models, client)]


# Of models of the clients' own, each beginning with the first broadcast that its client hears.


class FineTuning:
    def __init__(self, epochs):
        self.epochs = epochs

    def __call__(self, local, w, state, cohort):
        return averaged(local, w, cohort), state

    def personal(self, local, w, state, client):
        return local.train(w, client, epochs=self.epochs)[0]


class Ditto:
    def __init__(self, **lam):
        self.lam = lam["lambda"]

    def __call__(self, local, w, own, cohort):
        own = dict(own or {})
        for i in cohort:
            own[i] = local.train(own.get(i, w), i, lambda v, g: g + self.lam * (v - w))[0]
        return averaged(local, w, cohort), own

    def personal(self, local, w, own, client):
        return local.own(client, own[client], w)


class Apfl:
    def __init__(self, alpha, adaptive):
        self.alpha, self.adaptive = alpha, adaptive

    def __call__(self, local, w, own, cohort):
        own, ys = dict(own or {}), []
        for i in cohort:
            (v, a), y = own.get(i, (w, self.alpha)), w
            for batch in batches(i):
                of_y, of_mixed = local.model.gradient(y, batch), local.model.gradient(a * v + (1 - a) * y, batch)
                along = (v - y) @ of_mixed if self.adaptive else 0.0
                y, v, a = y - local.lr * of_y, v - local.lr * a * of_mixed, np.clip(a - local.lr * along, 0, 1)
            own[i] = v, a
            ys.append(y)
        return mean(weights(cohort), ys), own

    def personal(self, local, w, own, client):
        v, a = own[client]
        return local.own(client, a * v + (1 - a) * w, w)


class FedRep:
    """The head stays with its client. It is trained first, then the body under it, which alone is averaged."""

    def __init__(self, head_epochs):
        self.head_epochs = head_epochs

    def client(self, local, start, client):
        head = np.arange(len(start)) >= local.model.body
        y, _ = local.train(start, client, lambda _, g: np.where(head, g, 0), epochs=self.head_epochs)
        return local.train(y, client, lambda _, g: np.where(head, 0, g))[0]

    def with_head(self, local, w, own, client):
        body = local.model.body
        return np.concatenate([w[:body], (own or {}).get(client, w[body:])])

    def __call__(self, local, w, own, cohort):
        body = local.model.body
        ys = [self.client(local, self.with_head(local, w, own, i), i) for i in cohort]
        new = mean(weights(cohort), ys)
        return np.concatenate([new[:body], w[body:]]), dict(own or {}) | {i: y[body:] for i, y in zip(cohort, ys)}

    def personal(self, local, w, own, client):
        return self.with_head(local, w, own, client)


class FedPer(FedRep):
    """Head and body are trained together."""

    def __init__(self):
        pass

    def client(self, local, start, client):
        return local.train(start, client)[0]


# In virtual time. `models` are those of all rounds, the present one last; `answers` are client and round of its start. An
# answer is as stale as the server has made steps since: 0 at the least, and `s(0) = 1`.


def staleness(models, asked):
    return len(models) - 1 - asked


def polynomial(exponent):
    return lambda stale: (1 + stale) ** -exponent


def hinged(a, b):
    return lambda stale: 1.0 if stale <= b else 1 / (a * (stale - b) + 1)


def fedbuff(local, models, answers, exponent=0.5, server_lr=1.0, weighted=True):
    p = weights([c for c, _ in answers]) if weighted else np.full(len(answers), 1 / len(answers))
    s, deltas = polynomial(exponent), [local.train(models[asked], c)[0] - models[asked] for c, asked in answers]
    return models[-1] + server_lr * mean(p, [s(staleness(models, a)) * d for (_, a), d in zip(answers, deltas)])


def fedasync(local, models, answers, mixing, exponent=0.5, hinge=None, rho=0.0):
    """Everything in a buffer is mixed with the same model, each in its share."""
    s = hinged(**hinge) if hinge else polynomial(exponent)
    alphas, news = [], []
    for p, (c, asked) in zip(weights([c for c, _ in answers]), answers):
        start = models[asked]
        news.append(local.train(start, c, lambda y, g: g + rho * (y - start))[0])
        alphas.append(mixing * s(staleness(models, asked)) * p)
    return (1 - sum(alphas)) * models[-1] + mean(alphas, news)


SOFTMAX, BAG = SoftmaxRegression(), EmbeddingBag()
SGD, SLOW = Sgd(0.4), Sgd(0.03)
POLYAK, ADAM, COARSE = Momentum(0.1, 0.9), Adam(0.05, 1e-8), Adam(0.05, 1e-3)
SYNCHRONOUS = [
    ("fedavg", {}, fedavg, SGD, SOFTMAX),
    ("fedavg", {"server_lr": 0.7}, fedavg, SGD, BAG),
    ("fedavg", {}, fedavg, POLYAK, SOFTMAX),
    ("fedavg", {}, fedavg, ADAM, SOFTMAX),
    ("fedprox", {"mu": 0.2}, fedprox, SGD, SOFTMAX),
    ("fedprox", {"mu": 0.2, "server_lr": 0.8}, fedprox, POLYAK, SOFTMAX),
    ("fedprox", {"mu": 0.2}, fedprox, COARSE, SOFTMAX),
    ("fedavgm", {"beta": 0.7, "server_lr": 0.8}, fedavgm, SGD, SOFTMAX),
    ("fedopt", {"optimiser": "sgd", "server_lr": 0.6}, fedopt, SGD, SOFTMAX),
    ("fedopt", {"optimiser": "adagrad", "server_lr": 0.1}, fedopt, SGD, SOFTMAX),
    ("fedopt", {"optimiser": "adam", "server_lr": 0.1}, fedopt, SGD, SOFTMAX),
    ("fedopt", {"optimiser": "yogi", "server_lr": 0.1}, fedopt, SGD, SOFTMAX),
    ("scaffold", {"option": 1}, scaffold, SGD, SOFTMAX),
    ("scaffold", {"option": 2}, scaffold, SGD, SOFTMAX),
    ("scaffold", {"option": 2, "server_lr": 0.8}, scaffold, SGD, BAG),
    ("fednova", {}, fednova, SGD, SOFTMAX),
    ("feddyn", {"alpha": 0.1}, feddyn, SGD, SOFTMAX),
    ("qfedavg", {"q": 1.5, "lipschitz": 2.5}, qfedavg, SGD, SOFTMAX),
    ("afl", {"lambda_lr": 0.2, "server_lr": 0.9}, afl, SGD, SOFTMAX),
    ("mimelite", {"beta": 0.8}, mimelite, SGD, SOFTMAX),
    ("mimelite", {"beta": 0.8, "server_lr": 0.8}, mimelite, SGD, BAG),
    ("mime", {"beta": 0.8}, mime, SGD, SOFTMAX),
    ("mime", {"beta": 0.8, "server_lr": 0.8}, mime, SGD, BAG),
    ("fedlin", {}, fedlin, SGD, SOFTMAX),
    ("fedlin", {"server_lr": 0.8}, fedlin, SGD, BAG),
    ("moon", {"mu": 1.0}, moon, SGD, BAG),
    ("ifca", {"clusters": 3, "spread": 0.3}, Ifca, SGD, SOFTMAX),
    ("hierarchical", {"edges": 2, "cloud_every": 3}, Hierarchical, SGD, SOFTMAX),
    ("ditto", {"lambda": 0.3}, Ditto, SGD, SOFTMAX),
    ("ditto", {"lambda": 0.3}, Ditto, POLYAK, SOFTMAX),
    ("fedper", {}, FedPer, SGD, BAG),
    ("fedrep", {"head_epochs": 3}, FedRep, SGD, BAG),
    ("apfl", {"alpha": 0.4, "adaptive": False}, Apfl, SGD, SOFTMAX),
    ("apfl", {"alpha": 0.5, "adaptive": True}, Apfl, SLOW, SOFTMAX),
    ("fine_tuning", {"epochs": 3}, FineTuning, SGD, SOFTMAX),
]
HINGE = {"a": 0.7, "b": 1}
ASYNCHRONOUS = [
    (buffer, *run)
    for buffer in (1, 3)
    for run in [
        ("fedbuff", {"server_lr": 0.8, "exponent": 0.5}, fedbuff),
        ("fedbuff", {"exponent": 1.0, "weighted": False}, fedbuff),
        ("fedasync", {"mixing": 0.6, "exponent": 0.5}, fedasync),
        ("fedasync", {"mixing": 0.6, "hinge": HINGE, "rho": 0.2}, fedasync),
    ]
]


def rounded(numbers):
    return [round(float(v), 9) for v in numbers]


def begun(local, kind, parameters, pace=None):
    how = {"algorithm": {"kind": kind} | parameters, "optimiser": local.optimiser.config, "model": local.model.name}
    return how | ({"pace": pace} if pace else {}) | {"params": {}}


def synchronous(kind, parameters, algorithm, optimiser, model):
    local, w, state = Local(model, optimiser), model.start, None
    run = begun(local, kind, parameters)
    bound = algorithm(**parameters) if isinstance(algorithm, type) else None
    for r, cohort in enumerate(COHORTS, 1):
        w, state = bound(local, w, state, cohort) if bound else algorithm(local, w, state, cohort, **parameters)
        if r in ROUNDS:
            run["params"][r] = rounded(w)
            if hasattr(bound, "starts"):
                run.setdefault("starts", {})[r] = [rounded(s) for s in bound.starts(w, state)]
    if hasattr(bound, "personal"):
        run["personal"] = [rounded(bound.personal(local, w, state, c)) for c in CLIENTS]
    return run


def asynchronous(buffer, kind, parameters, algorithm):
    local, models = Local(SOFTMAX, SGD), [SOFTMAX.start]
    run = begun(local, kind, parameters, {"kind": "asynchronous", "buffer": buffer})
    for r, answers in enumerate(ARRIVALS[str(buffer)], 1):
        models.append(algorithm(local, models, answers, **parameters))
        if r in ROUNDS:
            run["params"][r] = rounded(models[-1])
    return run


if __name__ == "__main__":
    check_gradients()
    out = {
        "features": FEATURES, "classes": CLASSES, "dim": DIM, "scale": SCALE, "epochs": EPOCHS, "batch": BATCH,
        "shards": SHARDS, "start": {model.name: list(model.start) for model in (SOFTMAX, BAG)},
        "runs": [synchronous(*run) for run in SYNCHRONOUS] + [asynchronous(*run) for run in ASYNCHRONOUS],
    }
    text = json.dumps(out, separators=(",", ":")).replace('{"algorithm"', '\n{"algorithm"')
    (HERE / "trajectories.json").write_text(text + "\n")
