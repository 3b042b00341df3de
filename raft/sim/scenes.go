package sim

// The scenes of this file are several actions that together make what chance alone makes too seldom.

// forget hangs a leader's disk and crashes it, so that it forgets what others have from it, while what they say of it is held back;
// when it leads again, perhaps, nobody hears it any more, and then comes what was held back.
func (d *drawing) forget(a Action, one Set) {
	t := d.plan.Raft.ElectionTimeout
	hang, clog, crash, cut := a, a, a, a
	hang.Kind, hang.For = HangDisk, d.span(t/4, 2*t)
	clog.Kind, clog.From, clog.To, clog.For = Clog, one, 1<<maxServers-1, hang.For+d.span(2*t, 8*t)
	clog.At += d.span(0, hang.For/2)
	crash.Kind, crash.At, crash.For = Crash, hang.At+d.span(hang.For/2, hang.For), d.span(1, t/2)
	cut.Kind, cut.At, cut.For = Cut, crash.At+crash.For+d.span(t, 4*t), d.span(t, 5*t)
	for _, b := range [...]Action{hang, clog, crash, cut} {
		d.add(b)
	}
}

// lateAnswers lets a leader speak to nobody, then hear old answers, then hear nothing: what it may still believe by then?
func (d *drawing) lateAnswers(a Action) {
	t := d.plan.Raft.ElectionTimeout
	clog, out, in := a, a, a
	clog.Kind, clog.Value, clog.For = Clog, 2, d.span(t/2, t)
	out.Kind, out.Value, out.For = Cut, 1, d.span(2*t, 4*t)
	in.Kind, in.Value, in.At, in.For = Cut, 2, a.At+clog.For-1, out.For-clog.For
	for _, b := range [...]Action{clog, out, in} {
		d.add(b)
	}
}

// lostFarewell lets a leader hand over and hear nothing of what follows.
func (d *drawing) lostFarewell(a Action) {
	n, t := &d.plan.Network, d.plan.Raft.ElectionTimeout
	transfer, cut := a, a
	transfer.Kind, transfer.For, transfer.Value = Transfer, 0, 0
	cut.Kind, cut.Value = Cut, d.pick(0, 2)
	cut.At, cut.For = a.At+d.span(0, 4*(n.Delay+n.MinDelay)), d.span(t, 3*t)
	d.add(transfer)
	d.add(cut)
}

// quickRestart keeps one server from the leader until it would rather lead itself, then crashes all others for a moment, and isolates the
// leader: whom do they listen to when they are back?
func (d *drawing) quickRestart(a Action, one Set) {
	t := d.plan.Raft.ElectionTimeout
	away := a
	away.Kind, away.From, away.To, away.For = Cut, 1<<maxServers-1, one, d.span(t, 3*t)
	d.add(away)
	quiet := a // or the server that is kept away is behind, and gets no votes
	quiet.Kind, quiet.At, quiet.For = Quiet, max(a.At-t/2, 0), away.For+t/2
	d.add(quiet)
	at := a.At + away.For
	for slot := range d.plan.Servers {
		if one.has(slot) {
			continue
		}
		d.add(Action{At: at, For: d.span(1, t/5), Kind: Crash, Server: slot + 1, Value: 1})
	}
	d.add(Action{At: at, For: d.span(t, 3*t), Kind: Cut})
}

// links adds what takes several actions or sets of servers.
func (d *drawing) links(a Action) {
	all := Set(1<<maxServers - 1)
	kind, one := a.Kind, Set(1)<<d.below(d.plan.Servers)
	switch kind {
	case Cut, Clog: // one way or both, between any two sides
		a.From = d.side()
		a.To = all &^ a.From
		if d.chance(300) {
			a.From, a.To = one, d.side()
		}
		d.add(a)
		if d.chance(600) {
			a.From, a.To = a.To, a.From
			d.add(a)
		}
	case "isolate":
		a.Kind, a.Value = Cut, d.pick(0, 0, 1, 2)
		d.add(a)
	case "bridge": // two halves that only one server joins
		a.Kind, a.From = Cut, d.side()&^one
		a.To = all &^ a.From &^ one
		d.add(a)
		a.From, a.To = a.To, a.From
		d.add(a)
	case "swizzle": // clog one after the other, release them in another order
		for slot := range d.plan.Servers {
			b := a
			b.Kind, b.From, b.To = Clog, Set(1)<<slot, all
			b.At += d.span(0, a.For)
			b.For = d.while()
			d.add(b)
		}
	case "late-answers":
		d.lateAnswers(a)
	case "lost-farewell":
		d.lostFarewell(a)
	case "quick-restart":
		d.quickRestart(a, one)
	case "forget": // a leader loses what others have from it, leads again, and hears late what they said of it
		d.forget(a, one)
	case "crash-all": // a power failure
		for slot := range d.plan.Servers {
			b := a
			b.Kind, b.Server = Crash, slot+1
			d.add(b)
		}
	}
}
