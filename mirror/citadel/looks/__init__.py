"""What was remembered of a server held against what it says now: what is new, what changed, what is gone."""
