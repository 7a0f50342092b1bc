"""procalivectl, the operator's console of procalive; see procalivectl(1).

survey.py   finds FIFOs and tells their state: one pass over /proc for all
words.py    paths and times as people read them; errors in one line
table.py    the columns, for ls and top
ls.py       the table, and a JSON object a line
changes.py  when to look again: what the kernel reports, and a slow pace
live.py     top, the full screen; grid.py is its table, timeline.py a column
doctor.py   what is wrong with a FIFO and what to do; host.py, access.py: around it
export.py   metrics for Prometheus; alerts/ has rules for them
fleet.py    --fleet: names on etcd, by procalivefleet
cli.py      the command line

All that is known of FIFOs comes from procalive.py, its private helpers
included: the two are one release and are tested together.
"""
