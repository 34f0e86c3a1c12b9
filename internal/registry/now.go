package registry

// Now is the moment by the registry's clock, for those who show states that
// follow from the time.
func (r *Registry) Now() Instant { return At(r.now()) }
