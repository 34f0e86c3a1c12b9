package main

// DemoCmd shows everything once.
type DemoCmd struct{}

// Run shows everything once.
func (DemoCmd) Run() error { return usage("not built in") }

// DeviceSimCmd plays a device.
type DeviceSimCmd struct{}

// Run plays a device.
func (DeviceSimCmd) Run() error { return usage("not built in") }
