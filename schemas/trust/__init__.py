"""The formats of proof: trees of hashes, signed notes and checkpoints. Pure values; whoever verifies needs no more."""
