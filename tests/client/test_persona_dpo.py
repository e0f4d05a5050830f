import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from client.persona_dpo import PairLogProbabilities, persona_dpo_loss

nats = st.floats(-300, -1)


def scores(chosen: list[float], rejected: list[float]) -> PairLogProbabilities:
    return PairLogProbabilities(
        chosen=torch.tensor(chosen, dtype=torch.float64), rejected=torch.tensor(rejected, dtype=torch.float64)
    )


@given(nats, nats, nats, nats, st.floats(0.01, 1.0), st.floats(0.0, 2.0), st.integers(1, 90))
def test_the_loss_is_the_formula(
    policy_chosen: float,
    policy_rejected: float,
    reference_chosen: float,
    reference_rejected: float,
    beta: float,
    weight: float,
    tokens: int,
) -> None:
    loss = persona_dpo_loss(
        scores([policy_chosen], [policy_rejected]),
        scores([reference_chosen], [reference_rejected]),
        torch.tensor([tokens]),
        beta=beta,
        nll_weight=weight,
    )
    margin = beta * ((policy_chosen - reference_chosen) - (policy_rejected - reference_rejected))
    preference = max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))
    assert math.isclose(loss.margin.item(), margin, rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(loss.preference.item(), preference, rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(loss.chosen_nll.item(), -policy_chosen / tokens, rel_tol=1e-9)
    assert math.isclose(loss.total.item(), preference - weight * policy_chosen / tokens, rel_tol=1e-9, abs_tol=1e-9)


def test_without_the_extra_term_it_is_pure_dpo() -> None:
    policy, reference = scores([-3.0, -5.0], [-4.0, -2.0]), scores([-3.5, -4.0], [-3.0, -3.0])
    loss = persona_dpo_loss(policy, reference, torch.tensor([4, 5]), beta=0.1)
    assert torch.equal(loss.total, loss.preference)


def test_a_policy_equal_to_its_reference_loses_log_two() -> None:
    same = scores([-3.0], [-9.0])
    loss = persona_dpo_loss(same, same, torch.tensor([4]), beta=0.1)
    assert math.isclose(loss.total.item(), math.log(2))
    assert loss.margin.item() == 0.0


def test_the_loss_stays_finite_far_from_the_reference() -> None:
    loss = persona_dpo_loss(scores([-9e5], [-1.0]), scores([-1.0], [-9e5]), torch.tensor([4]), beta=0.5)
    assert math.isclose(loss.total.item(), 0.5 * 2 * (9e5 - 1), rel_tol=1e-6)


def test_only_the_policy_gets_a_gradient_and_the_margin_carries_none() -> None:
    policy = scores([-3.0, -5.0], [-4.0, -2.0])
    policy.chosen.requires_grad_()
    policy.rejected.requires_grad_()
    loss = persona_dpo_loss(policy, scores([-3.5, -4.0], [-3.0, -3.0]), torch.tensor([4, 5]), beta=0.1)
    assert not loss.margin.requires_grad
    loss.total.sum().backward()  # type: ignore[no-untyped-call]
    # d(-log sigma(m)) / d(chosen) = -beta sigma(-m), and the opposite for the rejected reply.
    expected = -0.1 * torch.sigmoid(-loss.margin)
    torch.testing.assert_close(policy.chosen.grad, expected)
    torch.testing.assert_close(policy.rejected.grad, -expected)
