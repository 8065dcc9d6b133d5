"""The log of what was recorded: entries appended in the commit that records, their tree, and the check of both."""
