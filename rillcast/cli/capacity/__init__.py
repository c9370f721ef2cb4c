"""How many machines a number of viewers needs, from figures that were measured."""
