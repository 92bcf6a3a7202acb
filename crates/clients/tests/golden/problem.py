"""What the trajectories are about: shards, two models, local optimisers. Dense float64, parameters as one vector.

A model has every parameter at every client. Where a client has no feature its gradient is 0, so that nothing moves there
unless an algorithm's own terms do it.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
FEATURES, CLASSES, DIM, SCALE = 24, 4, 3, 0.5
EPOCHS, BATCH = 2, 3
SIZES = [5, 9, 4, 12, 7, 8]
CLIENTS = range(len(SIZES))


def given(name):
    """What the library draws for its seed; the test checks that it is the library's."""
    return json.loads((HERE / name).read_text())


def shard(client, size):
    """Examples by a small congruential rule; every client has a taste of its own."""
    state, examples = 12345 + 977 * client, []
    for _ in range(size):
        drawn = []
        for _ in range(5):
            state = (1103515245 * state + 12345) % 2**31
            drawn.append(state // 2**8)
        label = (client + drawn[0] % 2) % CLASSES
        of_class = [label if i % 3 else d % CLASSES for i, d in enumerate(drawn[1:])]
        rows = sorted((d % (FEATURES // CLASSES)) * CLASSES + c for d, c in zip(drawn[1:], of_class))
        examples.append((rows, label))
    return examples


SHARDS = [shard(c, n) for c, n in enumerate(SIZES)]


def labels(examples):
    return [label for _, label in examples]


def counts(examples):
    """An example's features: how often it has each, times the scale."""
    x = np.zeros((len(examples), FEATURES))
    for i, (rows, _) in enumerate(examples):
        for r in rows:
            x[i, r] += SCALE
    return x


def surprise(scores, examples):
    """Mean cross-entropy; complex numbers pass through it."""
    own = scores[np.arange(len(examples)), labels(examples)]
    return (np.log(np.exp(scores).sum(1)) - own).mean()


def residual(scores, examples):
    """The derivative of that by the scores."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(examples)), labels(examples)] -= 1.0
    return p / len(examples)


class SoftmaxRegression:
    """`x W + b`; starts at zero."""

    name = "softmax_regression"
    start = np.zeros((FEATURES + 1) * CLASSES)
    width = CLASSES

    def scores(self, w, examples):
        w = w.reshape(FEATURES + 1, CLASSES)
        return counts(examples) @ w[:-1] + w[-1]

    def gradient(self, w, examples):
        d = residual(self.scores(w, examples), examples)
        return np.concatenate([(counts(examples).T @ d).ravel(), d.sum(0)])


class EmbeddingBag:
    """`x E O + b`. Its head, the last layer, is the output `O` and the bias `b`; the table `E` is its body."""

    name = "embedding_bag"
    body = FEATURES * DIM
    start = np.array([(37 * i + 11) % 101 / 101 - 0.5 for i in range(body + (DIM + 1) * CLASSES)]).round(3)
    width = DIM

    def representations(self, w, examples):
        return counts(examples) @ w[: self.body].reshape(FEATURES, DIM)

    def output(self, w):
        return w[self.body : -CLASSES].reshape(DIM, CLASSES)

    def scores(self, w, examples):
        return self.representations(w, examples) @ self.output(w) + w[-CLASSES:]

    def gradient(self, w, examples):
        d = residual(self.scores(w, examples), examples)
        table = counts(examples).T @ (d @ self.output(w).T)
        return np.concatenate([table.ravel(), (self.representations(w, examples).T @ d).ravel(), d.sum(0)])


def loss(model, w, examples):
    return surprise(model.scores(w, examples), examples)


def slopes(function, w):
    """A gradient by complex steps, which lose no digit."""
    return np.array([function(w + step).imag / 1e-30 for step in 1e-30j * np.eye(len(w))])


def has(model, client):
    """Which parameters a client has: those of the rows of its features, and all behind the table."""
    rows = counts(SHARDS[client]).any(0)
    return np.concatenate([np.repeat(rows, model.width), np.full(len(model.start) - FEATURES * model.width, True)])


def batches(client, epochs=EPOCHS):
    """In the order of the shard; the last of an epoch may be smaller."""
    for _ in range(epochs):
        for i in range(0, SIZES[client], BATCH):
            yield SHARDS[client][i : i + BATCH]


class Sgd:
    def __init__(self, lr):
        self.lr, self.config = lr, {"kind": "sgd", "lr": lr}

    def begin(self):
        return lambda y, g: y - self.lr * g


class Momentum:
    """Polyak's. The velocity is zero at the start of every local training; every step moves all parameters."""

    def __init__(self, lr, momentum):
        self.lr, self.momentum = lr, momentum
        self.config = {"kind": "momentum", "lr": lr, "momentum": momentum}

    def begin(self):
        velocity = 0.0

        def step(y, g):
            nonlocal velocity
            velocity = self.momentum * velocity + g
            return y - self.lr * velocity

        return step


class Adam:
    """Kingma, Ba, ICLR 2015, algorithm 1 in the order at the end of section 2, whose `epsilon` (the paper's with a hat) is
    added to the root before it is corrected. Afresh in every local training; every step moves all parameters."""

    def __init__(self, lr, epsilon, b1=0.9, b2=0.99):
        self.lr, self.epsilon, self.b1, self.b2 = lr, epsilon, b1, b2
        self.config = {"kind": "adam", "lr": lr, "beta1": b1, "beta2": b2, "epsilon": epsilon}

    def begin(self):
        m, v, t = 0.0, 0.0, 0

        def step(y, g):
            nonlocal m, v, t
            t += 1
            m = self.b1 * m + (1 - self.b1) * g
            v = self.b2 * v + (1 - self.b2) * g * g
            rate = self.lr * np.sqrt(1 - self.b2**t) / (1 - self.b1**t)
            return y - rate * m / (np.sqrt(v) + self.epsilon)

        return step


class Local:
    """A client's training: a model and an optimiser."""

    def __init__(self, model, optimiser):
        self.model, self.optimiser = model, optimiser
        self.lr = optimiser.lr

    def train(self, w, client, adjust=lambda y, g: g, gradient=None, epochs=EPOCHS):
        """Returns the parameters and the number of steps."""
        gradient = gradient or self.model.gradient
        y, steps, step = w.copy(), 0, self.optimiser.begin()
        for batch in batches(client, epochs):
            y = step(y, adjust(y, gradient(y, batch)))
            steps += 1
        return y, steps

    def gradient(self, w, client):
        return self.model.gradient(w, SHARDS[client])

    def loss(self, w, client):
        return loss(self.model, w, SHARDS[client])

    def own(self, client, own, others):
        """A model of a client's own: its parameters from `own`, those that it does not have from `others`."""
        return np.where(has(self.model, client), own, others)


def check_gradients():
    for model in (SoftmaxRegression(), EmbeddingBag()):
        at = np.cos(np.arange(len(model.start)))
        by_steps = slopes(lambda w: loss(model, w, SHARDS[1]), at)
        assert np.abs(model.gradient(at, SHARDS[1]) - by_steps).max() < 1e-14
