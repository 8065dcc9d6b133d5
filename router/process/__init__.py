"""How a long-running process meets failures: which pass by themselves, how its parts go on, how it ends for certain.

A kit like the broker's: it knows neither the router nor a gateway.
"""
