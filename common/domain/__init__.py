"""Pure rules and tables: states, actions, host status. No I/O."""
