"""Made-up items in the manner of real programs, what people do to them, and what has to come of it."""
