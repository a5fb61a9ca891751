"""Training and evaluation of the networks; analysis never imports this package."""
