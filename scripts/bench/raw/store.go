package raw

import "sync"

// Store is the state machine of the peers: keys and values.
type Store struct {
	mu     sync.RWMutex
	values map[string][]byte
}

// NewStore makes an empty Store.
func NewStore() *Store { return &Store{values: map[string][]byte{}} }

// Apply does puts, in order. It keeps the commands.
func (s *Store) Apply(commands ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, command := range commands {
		key, value, err := Split(command)
		if err != nil {
			return err
		}
		s.values[string(key)] = value
	}
	return nil
}

// Answer answers a get from what is applied.
func (s *Store) Answer(r Request) {
	key, _, err := Split(r.Command)
	if err != nil {
		r.Failed(err)
		return
	}
	s.mu.RLock()
	value := s.values[string(key)]
	s.mu.RUnlock()
	r.Done(value)
}
