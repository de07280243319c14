"""execution/brokers"""
