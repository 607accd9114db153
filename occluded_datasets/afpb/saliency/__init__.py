"""Which pixels the largest identity logit depends on, drawn and measured."""
