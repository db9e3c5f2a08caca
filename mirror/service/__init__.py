"""What a user may see and do: who somebody is, rights, users and rooms by name.  Knows no wire and no sessions."""
