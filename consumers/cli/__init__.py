"""``congvan gateway``: the commands of a unit's people and of the gateway's administrator."""
