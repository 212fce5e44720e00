"""One factory per model; related rows of a tenant share its account (``SelfAttribute("..account")``)."""
