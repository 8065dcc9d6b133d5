"""How the TUN rig's namespaces are called and addressed; the owner's pid in the name tells whose they are."""

from rig.namespaces import PREFIX


def hub_name(owner: int) -> str:
    """The namespace of broker and router."""
    return f"{PREFIX}-{owner}-hub"


def unit_name(owner: int, number: int) -> str:
    """The namespace of the unit at a line's far end."""
    return f"{PREFIX}-{owner}-unit{number}"


def hub_address(number: int) -> str:
    """The hub's address on a line."""
    return f"10.88.{number}.1"


def unit_address(number: int) -> str:
    """The unit's address on its line."""
    return f"10.88.{number}.2"
