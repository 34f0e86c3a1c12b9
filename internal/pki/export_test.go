package pki

// Forget lets the next call read the authorities from the store.
func (s *Service) Forget() { s.authorities.forget() }
