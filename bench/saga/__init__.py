"""The order saga of docs/examples against simulated services, its engine run in memory."""
