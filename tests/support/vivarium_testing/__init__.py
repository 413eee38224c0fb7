# SPDX-License-Identifier: Apache-2.0
"""Runs the real daemon for tests: processes, a client, the bystander, leak checks."""
