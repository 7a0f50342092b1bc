"""procalivectl, the operator's console of procalive; see procalivectl(1).

survey.py     finds FIFOs and tells their state; elsewhere.py: held under a name that is gone
words.py      paths, names and times as people read them; errors in one line
table.py      the columns, for ls and top
ls.py         the table, and a JSON object a line
live.py       top, the full screen; grid.py is its table, timeline.py a column,
              details.py and history.py what is below, dialogs.py what is above
changes.py    when to look again: what the kernel reports, and a slow pace
doctor.py     what is wrong with a FIFO and what to do; findings.py: how that is said,
              places.py and access.py: where it lies and who may, host.py: this machine
export.py     metrics for Prometheus; alerts/ has rules and a dashboard for them
fleet.py      --fleet: names on etcd, by procalivefleet
cli.py        the command line

All that is known of FIFOs and their holders comes from procalive.py, by the
names in its __all__: there is one look through /proc, and it is there.
"""
