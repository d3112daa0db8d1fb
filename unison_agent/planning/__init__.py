"""From a request to a plan: what the text states, the grammar closed over it, and the plan that is read back.

`planner` is the way in. Whoever writes is handed in, so nothing here runs a model but `outlines_writer`, nor calls a
tool or sees pixels. The modules, from the words up:

    numbers, foreign_numbers, arabic_numbers    the numbers that a text says, with their places
    stated_words, stated                        all that it states: numbers, names, words, whether several wishes
    neighbours, units                           which field a number can be, by the words beside it
    edit_targets                                the words of an edit that name what is changed
    attachment_words, told_attachments          which attachments are left out, and which has which role
    call_fields, written                        the fields of a call, and the JSON form that plans are written in
    grammar, role_grammar, custom_grammar, lark what may be written for one request, as Lark
    request_schema                              the same as a JSON Schema, for models that take no grammar
    plan_reading, role_rules, evidence          what was written, held to the request, with the characters that state it
    plain_names, beyond_doubt                   what the words leave no doubt about, put in or told as unused
    custom_reading, custom_missing              the same for the tools of a user
    instructions, outlines_writer               other models as planners
    signal_*                                    plans in the paper's signal tokens
"""
