"""Training of what the project ships: data, planning LoRA, nano models; run as modules, never imported at run time."""
