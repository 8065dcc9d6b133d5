"""The page kit: language, safety and files that every page stands on; it knows neither the router nor a gateway."""
