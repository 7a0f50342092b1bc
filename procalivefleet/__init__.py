"""procalive-fleet: procalive's verbs across machines, on etcd; see procalive-fleet(1).

A name is held on etcd by a lease, and the lease lives as long as the job's FIFO
is alive on its host.  Three processes do that:

front   the process that was called and the parent of the job; no network.  It
        stops the job when the lease runs out, whatever the network does.
keeper  a session of its own; all of the network.  It renews the lease while the
        job lives and revokes it when the job is dead.
job     a child of front that holds the FIFO and becomes COMMAND.

cli.py         the command line
ask.py         check, who, wait and kill
front.py       hold: the front; job.py starts the job, terms.py has the times
keeper.py      hold: the keeper; acquire.py waits for its turn, lease.py has its place
wire.py        what front, keeper and job tell one another
contenders.py  who stands in the queue of a name
watch.py       what happens to a name, from a revision on
request.py     how `kill` on one host asks the keeper on another
etcd.py        etcd through its JSON gateway; exchange.py one exchange with it
doctor.py      findings about etcd and this host; metrics.py figures for Prometheus
kernel.py      what Python 3.9 lacks of Linux; events.py sleeps on descriptors
words.py       names, messages, statuses
"""
