package consensus

import "slices"

// placedConfig is a configuration and where in the log it stands: 0 for Founders, a snapshot's index for the one that is in it.
type placedConfig struct {
	index  Index
	config Configuration
}

// useConfig puts the newest configuration of the log in force: "a server always uses the latest configuration in its log,
// regardless of whether the entry is committed" (§6). A leader keeps what it knows of those that stay.
func (m *Module) useConfig() {
	latest := m.configs[len(m.configs)-1]
	m.config, m.configIndex = latest.config, latest.index
	m.fact(ConfigurationChanged{Index: latest.index, Config: latest.config})
	if m.role == Leader {
		m.followers = m.newFollowers(m.followers)
	}
}

// newFollowers gives a progress for each member: the one that it had, or a new one.
func (m *Module) newFollowers(before []progress) []progress {
	followers := make([]progress, len(m.config))
	for i := range m.config {
		id := m.config[i].ID
		if j := slices.IndexFunc(before, func(f progress) bool { return f.id == id }); j >= 0 {
			followers[i] = before[j]
			continue
		}
		followers[i] = progress{
			id: id, nextIndex: m.log.lastIndex() + 1, probing: true, heartbeatDue: true, advancedAt: m.now,
			catchUp: catchUp{end: m.log.lastIndex(), began: m.now},
		}
	}
	return followers
}

// noteConfigs takes note of the configurations among entries that were appended from index from on, and forgets those that were
// truncated for them: then the one before is in force again.
func (m *Module) noteConfigs(from Index, entries []Entry) {
	n := len(m.configs)
	for n > 1 && m.configs[n-1].index >= from {
		n--
	}
	changed := n < len(m.configs)
	m.configs = m.configs[:n]
	for i := range entries {
		if entries[i].Kind == EntryConfiguration {
			config, _ := DecodeConfiguration(entries[i].Data) // wellFormed looked at it
			m.configs = append(m.configs, placedConfig{index: entries[i].Index, config: config})
			changed = true
		}
	}
	if changed {
		m.useConfig()
	}
}

// mayStand tells whether this server is a voter, or was one before a change that is not known to be committed here. "A server that is not
// part of its own latest configuration should still start new elections, as it might still be needed until the C_new entry is
// committed" (thesis 4.2.2): nobody else may have that entry. Its own vote does not count then.
func (m *Module) mayStand() bool {
	for i := len(m.configs) - 1; i >= 0; i-- {
		if m.configs[i].config.Votes(m.cfg.ID) {
			return true
		}
		if m.configs[i].index <= m.commitIndex {
			return false
		}
	}
	return false
}

// configAt gives the configuration as of an index that is not before the newest snapshot.
func (m *Module) configAt(i Index) Configuration {
	n := len(m.configs) - 1
	for n > 0 && m.configs[n].index > i {
		n--
	}
	return m.configs[n].config
}

// forgetConfigs drops the configurations that were replaced within the newest snapshot.
func (m *Module) forgetConfigs() {
	n := len(m.configs) - 1
	for n > 0 && m.configs[n].index > m.snapshot.Index {
		n--
	}
	m.configs = slices.Clone(m.configs[n:])
}
