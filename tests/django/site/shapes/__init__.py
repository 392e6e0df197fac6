"""Sites of other shapes than the one beside this: the key of their users, and where a user's columns are."""
