"""The speed workload of speed.py on other engines of federated simulation: clients a second, beside this project's.

    python3 -m venv venv && venv/bin/pip install "flwr[simulation]==1.41.0" pfl==0.6.0 torch numpy
    python3 -m venv venv-jax && venv-jax/bin/pip install fedjax==0.0.17
    venv/bin/python engines.py flower FOLDER [COHORT] [ROUNDS]      Ray, two actors of one CPU
    venv/bin/python engines.py pfl FOLDER [COHORT] [ROUNDS]         one process; two under torchrun --nproc_per_node 2
    venv-jax/bin/python engines.py fedjax FOLDER [COHORT] [ROUNDS]  jit

FOLDER is one that `speed.py data` has written. All of them average as many clients with the same network, rate, batches
and epochs, shards in the order of their files, nothing evaluated but the model at the end. Rates leave the first round out, in
which engines start and compile. jax has no tree_map any more, which fedjax calls: it is given another name for it.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import speed  # noqa: E402

SHARDS, READY = {}, {}


def shards(folder):
    """The clients' utterances, read once a process."""
    if folder not in SHARDS:
        SHARDS[folder] = speed.read(f"{folder}/train.jsonl.gz")
    return SHARDS[folder]


def accuracy(model, folder):
    import torch

    (test,) = speed.read(f"{folder}/test.jsonl.gz")
    words, intents = (torch.tensor(column) for column in zip(*test))
    with torch.no_grad():
        return (model(words).argmax(1) == intents).float().mean().item()


def say(size, ends, right):
    """Ends of rounds, the first of them the beginning of the first round."""
    later = ends[-1] - ends[1]
    rate, rounds = size * (len(ends) - 2) / later, len(ends) - 1
    print(f"{rate:.0f} clients a second, accuracy {right:.4f} after {rounds} rounds")


def train(model, folder, client):
    import torch

    if client % speed.SHARDS not in READY:
        READY[client % speed.SHARDS] = speed.batches(shards(folder)[client])
    optimiser = torch.optim.SGD(model.parameters(), speed.RATE)
    for words, intents in READY[client % speed.SHARDS]:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(words), intents).backward()
        optimiser.step()


def run_flower(folder, size, rounds):
    os.environ.update(FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0")
    from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import FedAvg
    from flwr.simulation import run_simulation

    clients, here = len(shards(folder)), os.path.dirname(os.path.abspath(__file__))
    client_app, server_app, ends, right = ClientApp(), ServerApp(), [], []

    @client_app.train()
    def answer(message, context):
        import sys

        sys.path.insert(0, here)
        import engines
        import torch

        torch.set_num_threads(1)
        model = engines.speed.network()
        model.load_state_dict(message.content["arrays"].to_torch_state_dict())
        engines.train(model, folder, int(context.node_config["partition-id"]))
        content = {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": engines.speed.EXAMPLES}),
        }
        return Message(content=RecordDict(content), reply_to=message)

    class Timed(FedAvg):
        def configure_train(self, *args, **kwargs):
            if not ends:
                ends.append(time.perf_counter())
            return super().configure_train(*args, **kwargs)

        def aggregate_train(self, *args, **kwargs):
            result = super().aggregate_train(*args, **kwargs)
            ends.append(time.perf_counter())
            return result

    @server_app.main()
    def serve(grid, context):
        model = speed.network()
        strategy = Timed(
            fraction_train=size / clients,
            min_train_nodes=size,
            min_available_nodes=clients,
            fraction_evaluate=0.0,
        )
        result = strategy.start(grid=grid, initial_arrays=ArrayRecord(model.state_dict()), num_rounds=rounds)
        model.load_state_dict(result.arrays.to_torch_state_dict())
        right.append(accuracy(model, folder))

    resources = {
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        "init_args": {"num_cpus": 2, "include_dashboard": False, "logging_level": 40},
    }
    run_simulation(
        server_app=server_app, client_app=client_app, num_supernodes=clients, backend_config=resources
    )
    say(size, ends, right[0])


def run_pfl(folder, size, rounds):
    import numpy as np
    import torch
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.aggregate.weighting import WeightByDatapoints
    from pfl.algorithm.base import NNAlgorithmParams
    from pfl.algorithm.federated_averaging import FederatedAveraging
    from pfl.callback.base import TrainingProcessCallback
    from pfl.data.federated_dataset import FederatedDataset
    from pfl.data.pytorch import PyTorchTensorDataset
    from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
    from pfl.metrics import Metrics, Weighted
    from pfl.model.pytorch import PyTorchModel

    torch.set_num_threads(1)
    np.random.seed(0)
    network, ready, ends = speed.network(), {}, []

    def loss(words, intents):
        return torch.nn.functional.cross_entropy(network(words), intents)

    def metrics(words, intents):
        with torch.no_grad():
            return {"loss": Weighted(float(loss(words, intents)) * len(intents), len(intents))}

    def user(name):
        if name not in ready:
            words, intents = (torch.tensor(column) for column in zip(*shards(folder)[name]))
            ready[name] = PyTorchTensorDataset((words, intents), user_id=str(name))
        return ready[name]

    class Timed(TrainingProcessCallback):
        def on_train_begin(self, *, model):
            ends.append(time.perf_counter())
            return Metrics()

        def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
            ends.append(time.perf_counter())
            return False, Metrics()

    network.loss, network.metrics = loss, metrics
    model = PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), 1.0))
    clients = len(shards(folder))
    data = FederatedDataset(user, lambda: int(np.random.randint(clients)))
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds,
            evaluation_frequency=10**9,
            train_cohort_size=size,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(training_data=data, val_data=data, postprocessors=[WeightByDatapoints()]),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1, local_learning_rate=speed.RATE, local_batch_size=speed.BATCH
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=None),
        callbacks=[Timed()],
    )
    if os.environ.get("RANK", "0") == "0":
        say(size, ends, accuracy(network, folder))


def run_fedjax(folder, size, rounds):
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    jax.tree_map = jax.tree_util.tree_map
    import fedjax
    import jax.numpy as jnp
    import numpy as np
    from fedjax.algorithms import fed_avg

    def arrays(rows):
        words, intents = zip(*rows)
        return {"x": np.asarray(words, np.int32), "y": np.asarray(intents, np.int32)}

    def logits(params, words):
        return jnp.take(params["bag"], words, axis=0).sum(1) @ params["weight"] + params["bias"]

    def loss(params, batch, key):
        logs = jax.nn.log_softmax(logits(params, batch["x"]))
        return -jnp.take_along_axis(logs, batch["y"][:, None], 1).mean()

    rng = np.random.default_rng(0)
    bound = speed.DIM**-0.5
    params = {
        "bag": jnp.asarray(rng.uniform(-0.05, 0.05, (speed.WORDS, speed.DIM)), jnp.float32),
        "weight": jnp.asarray(rng.uniform(-bound, bound, (speed.DIM, speed.INTENTS)), jnp.float32),
        "bias": jnp.zeros(speed.INTENTS, jnp.float32),
    }
    clients = {b"%d" % i: arrays(rows) for i, rows in enumerate(shards(folder))}
    data = fedjax.InMemoryFederatedData(clients)
    how = fedjax.ShuffleRepeatBatchHParams(batch_size=speed.BATCH, num_epochs=1, skip_shuffle=True)
    sgd = fedjax.optimizers.sgd
    algorithm = fed_avg.federated_averaging(jax.grad(loss), sgd(speed.RATE), sgd(1.0), how)
    state = algorithm.init(params)
    sampler = fedjax.client_samplers.UniformGetClientSampler(data, size, seed=0)
    ends = [time.perf_counter()]
    for _ in range(rounds):
        state, _ = algorithm.apply(state, sampler.sample())
        jax.block_until_ready(state.params)
        ends.append(time.perf_counter())
    test = arrays(speed.read(f"{folder}/test.jsonl.gz")[0])
    right = (np.asarray(logits(state.params, test["x"]).argmax(1)) == test["y"]).mean()
    say(size, ends, right)


if __name__ == "__main__":
    words = sys.argv[1:]
    engines = {"flower": run_flower, "pfl": run_pfl, "fedjax": run_fedjax}
    if len(words) < 2 or words[0] not in engines:
        sys.exit(__doc__)
    size, rounds = (int(w) for w in (words[2:] + ["10", "65"][len(words[2:]) :]))
    engines[words[0]](words[1], size, rounds)
