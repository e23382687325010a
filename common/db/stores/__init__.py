"""Typed functions over named queries; one module per table or concern. No business decisions."""
