"""The demonstration: the whole way of three dispatches through the example organisation, on this machine."""
