"""From a request to a plan: what the text states, the grammar closed over it, and the plan that is read back.

`planner` is the way in; nothing here knows a model, a tool or pixels.
"""
