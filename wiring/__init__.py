"""What happens when, in each kind of process: `locustfile.py` chooses one and has it told what Locust does."""
