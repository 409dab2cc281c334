"""REINFORCE: a policy that keeps a point near the origin, one episode a step."""

import torch

import nexnet
import nexnet_nn as nn

LENGTH, BATCH = 25, 16


def start():
    return torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3))


def moved(x, action, draw):
    """Give the places and speeds (batch, 2) after actions of -1, 0 or 1."""
    speed = 0.9 * x[:, 1] + 0.1 * (action - 1) + 0.02 * torch.randn(len(x), generator=draw)
    return torch.stack([x[:, 0] + speed, speed], -1)


def played(policy, draw):
    """Play an episode: what was seen (length, batch, 2), done, and the advantage of each."""
    x, seen, done, rewards = torch.randn(BATCH, 2, generator=draw), [], [], []
    for _ in range(LENGTH):
        action = policy(x).softmax(-1).multinomial(1, generator=draw)[:, 0]
        seen.append(x)
        done.append(action)
        x = moved(x, action, draw)
        rewards.append(-x[:, 0].abs())
    returns = torch.stack(rewards).flip(0).cumsum(0).flip(0)
    return torch.stack(seen), torch.stack(done), returns - returns.mean(1, keepdim=True)


def in_torch(weights, draw):
    model = start()
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), 1e-2)

    def loss(seen, done, advantage):
        taken = model(seen).log_softmax(-1).gather(-1, done[..., None])[..., 0]
        return -(taken * advantage).mean()

    while True:
        with torch.no_grad():
            episode = played(model, draw)
        value = loss(*episode)
        adam.zero_grad()
        value.backward()
        adam.step()
        yield value


def in_nexnet(weights, draw):
    net = nn.Sequential(nn.Linear(2, 32), nexnet.tanh, nn.Linear(32, 3))
    model = nn.from_torch(weights, into=net, rename={"*": "layers.*"})
    adam = nn.Adam(1e-2)
    state = adam.init(model)

    @nexnet.value_and_grad
    def loss(model, seen, done, advantage):
        taken = model(seen).log_softmax(-1).gather(-1, done[..., None])[..., 0]
        return -(taken * advantage).mean()

    while True:
        value, grads = loss(model, *played(lambda x, model=model: model(x).data, draw))
        model, state = adam.update_(model, grads, state)
        yield value
