"""What is done to a training batch on its device, one method per file; nothing here runs at test time."""
