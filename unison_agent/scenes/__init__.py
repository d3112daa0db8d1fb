"""The flat-icon world of the nano profile: scenes, their pixels and everything true about them.

Training and evaluation both draw from it; nothing that serves a request does.
"""
