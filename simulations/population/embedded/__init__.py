"""A world whose truth is known: users with a persona, what they say, a grammar of replies, and a parser of style.

What it can show: whether a federation moves a model towards each user's own persona rather than away from a default,
what privacy costs, and what leaks, with no judge in the loop. What it cannot show: anything about people. The rule that
makes the pairs is the rule that scores the replies, the language is a closed grammar, a persona is four binary axes,
and the base model has read the same grammar (other topics, wordings and users). Real data answers those questions.
"""

from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.embedded.style import AXES, DEFAULT_STYLE, Style

__all__ = ["AXES", "DEFAULT_STYLE", "EmbeddedPopulation", "Style"]
