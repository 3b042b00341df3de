package sim

import (
	"fmt"
	"strconv"
	"time"
)

// What says what the action does, in words, to a cluster of so many servers.
func (a Action) What(servers int) string {
	who, long := name(a.Server), short(a.For)
	switch a.Kind {
	case Crash:
		if a.Value == 1 {
			return fmt.Sprintf("%s crashes, unless it leads, and restarts after %s", who, long)
		}
		return fmt.Sprintf("%s crashes, and restarts after %s", who, long)
	case Pause:
		return fmt.Sprintf("%s pauses for %s", who, long)
	case Cut:
		return a.links("cut", servers) + " for " + long
	case Clog:
		return a.links("clogged", servers) + " for " + long
	case Lossy:
		return fmt.Sprintf("%d %% more messages are lost for %s", a.Value/10, long)
	case SlowDisk:
		return fmt.Sprintf("the disk of %s takes %d times as long for %s", who, a.Value, long)
	case HangDisk:
		return fmt.Sprintf("the disk of %s hangs for %s", who, long)
	case FullDisk:
		return fmt.Sprintf("the disk of %s is nearly full for %s", who, long)
	case ClockRate:
		return fmt.Sprintf("the clock of %s goes at %.1f %% of the true rate", who, float64(a.Value)/10)
	case ClockJump:
		return fmt.Sprintf("the clock of %s jumps by %d ms", who, a.Value)
	case Compact:
		return who + " takes a snapshot"
	case ClientCrash:
		return fmt.Sprintf("client %d forgets what it asked", a.Value+1)
	case Quiet:
		return "clients ask nothing for " + long
	case Burst:
		return "clients do not pause for " + long
	case Big:
		return fmt.Sprintf("values are %d times as long for %s", a.Value, long)
	}
	return a.whatOfMembers(who)
}

func (a Action) whatOfMembers(who string) string {
	switch a.Kind {
	case Transfer:
		if a.Value == 0 {
			return "the leader hands over to whom it likes"
		}
		return "the leader hands over to " + name(a.Value)
	case Replace:
		return fmt.Sprintf("the disk of %s is lost, and a new server takes its place", who)
	case AddLearner:
		return "a new server joins as learner"
	case AddVoter:
		return "a new server joins as voter"
	case Promote:
		return who + " is to be a voter"
	case Demote:
		return who + " is to be a learner"
	case Remove:
		return who + " is to be removed"
	}
	return string(a.Kind)
}

// links says which links the action means. Sets reach beyond the servers that there are, and no server has a link to itself.
func (a Action) links(what string, servers int) string {
	if a.From == 0 {
		which := [...]string{"all links of", "the links from", "the links to"}[max(0, min(a.Value, 2))]
		return fmt.Sprintf("%s %s are %s", which, name(a.Server), what)
	}
	all := Set(1)<<servers - 1
	from, to := a.From&all, a.To&all
	if from == 0 || to == 0 {
		return "links of servers that are not there are " + what
	}
	if from.size() == 1 {
		to &^= from
	}
	if to.size() == 1 {
		from &^= to
	}
	switch {
	case from == 0 || to == 0:
		return fmt.Sprintf("the link from %s to itself, which is not there, is %s", a.From&all, what)
	case to&from == from && from|to == all && from.size() > 1:
		return fmt.Sprintf("the links from each of %s to all others are %s", from, what)
	case to&from == 0 && from|to == all && to.size() > 1:
		return fmt.Sprintf("the links from %s to all others are %s", from, what)
	case from == to:
		return fmt.Sprintf("the links between %s are %s", from, what)
	case to&from != 0:
		return fmt.Sprintf("the links from %s to %s, of each to the others, are %s", from, to, what)
	}
	return fmt.Sprintf("the links from %s to %s are %s", from, to, what)
}

func name(number int) string {
	if number == 0 {
		return "the leader"
	}
	return "n" + strconv.Itoa(number)
}

// short leaves out the digits that nobody reads.
func short(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
