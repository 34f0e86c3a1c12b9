package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// DeviceCmd groups the commands for devices.
type DeviceCmd struct {
	Import           DeviceImportCmd           `cmd:"" help:"Bring in devices and their keys from CSV."`
	List             DeviceListCmd             `cmd:"" help:"List devices."`
	Get              DeviceGetCmd              `cmd:"" help:"Show a device."`
	Export           DeviceExportCmd           `cmd:"" help:"Write all devices, without keys, as CSV or JSON."`
	Suspend          DeviceSuspendCmd          `cmd:"" help:"Refuse a device until it is resumed (停用)."`
	Resume           DeviceResumeCmd           `cmd:"" help:"End a suspension (启用)."`
	Discard          DeviceDiscardCmd          `cmd:"" help:"Refuse a device for good (废弃)."`
	Rekey            DeviceRekeyCmd            `cmd:"" help:"Give a device another key."`
	AllowReprovision DeviceAllowReprovisionCmd `cmd:"" help:"Let a device have a new key by one-time token, once."`
	Explain          DeviceExplainCmd          `cmd:"" help:"Say step by step why an auth code would be accepted or refused."`
	Delete           DeviceDeleteCmd           `cmd:"" help:"Remove a device; its licence is used up."`
	Sim              DeviceSimCmd              `cmd:"" help:"Play a device: make auth codes, decrypt, check server codes."`
}

// deviceArg is the device that a command is about.
type deviceArg struct {
	Device string `arg:"" help:"Its id2 (ID²) or asset id."`
}

// DeviceGetCmd shows a device.
type DeviceGetCmd struct{ deviceArg }

// Help implements kong.HelpProvider.
func (DeviceGetCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data device get 000F0E0D0C0B0A0908070605"
}

// Run shows a device.
func (cmd *DeviceGetCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	d, err := c.Device(ctx, cmd.Device)
	if err != nil {
		return err
	}
	return e.printFields(d)
}

// DeviceSuspendCmd suspends a device.
type DeviceSuspendCmd struct{ deviceArg }

// Help implements kong.HelpProvider.
func (DeviceSuspendCmd) Help() string {
	return "Its next request is refused.\n\nExample:\n\n    hallmark --data ./data device suspend 000F0E0D0C0B0A0908070605"
}

// Run suspends a device.
func (cmd *DeviceSuspendCmd) Run(ctx context.Context, e *Env) error {
	return changeDevice(ctx, e, cmd.Device, "suspend")
}

// DeviceResumeCmd ends a suspension.
type DeviceResumeCmd struct{ deviceArg }

// Help implements kong.HelpProvider.
func (DeviceResumeCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data device resume 000F0E0D0C0B0A0908070605"
}

// Run ends a suspension.
func (cmd *DeviceResumeCmd) Run(ctx context.Context, e *Env) error {
	return changeDevice(ctx, e, cmd.Device, "resume")
}

// DeviceDiscardCmd discards a device.
type DeviceDiscardCmd struct{ deviceArg }

// Help implements kong.HelpProvider.
func (DeviceDiscardCmd) Help() string {
	return "There is no way back: suspend is for devices that may return.\n\nExample:\n\n" +
		"    hallmark --data ./data device discard 000F0E0D0C0B0A0908070605"
}

// Run discards a device.
func (cmd *DeviceDiscardCmd) Run(ctx context.Context, e *Env) error {
	return changeDevice(ctx, e, cmd.Device, "discard")
}

// DeviceAllowReprovisionCmd lets a device be provisioned once more.
type DeviceAllowReprovisionCmd struct{ deviceArg }

// Help implements kong.HelpProvider.
func (DeviceAllowReprovisionCmd) Help() string {
	return "For a device that has lost its key, such as after a factory reset: once it has authenticated, it is refused another (code 57).\n\n" +
		"Example:\n\n    hallmark --data ./data device allow-reprovision 000F0E0D0C0B0A0908070605"
}

// Run lets a device be provisioned once more.
func (cmd *DeviceAllowReprovisionCmd) Run(ctx context.Context, e *Env) error {
	return changeDevice(ctx, e, cmd.Device, "allow-reprovision")
}

func changeDevice(ctx context.Context, e *Env, device, action string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	d, err := c.ChangeDevice(ctx, device, action)
	if err != nil {
		return err
	}
	return e.printFields(d)
}

// DeviceDeleteCmd removes a device.
type DeviceDeleteCmd struct{ deviceArg }

// Help implements kong.HelpProvider.
func (DeviceDeleteCmd) Help() string {
	return "The audit record and the licence stay.\n\nExample:\n\n    hallmark --data ./data device delete 000F0E0D0C0B0A0908070605"
}

// Run removes a device.
func (cmd *DeviceDeleteCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	gone, err := c.DeleteDevice(ctx, cmd.Device)
	if err != nil {
		return err
	}
	return e.printFields(gone)
}

// DeviceRekeyCmd gives a device another key. Keys come from files: a command
// line is seen by everybody on the machine.
type DeviceRekeyCmd struct {
	deviceArg

	KeyHexFile    string `xor:"key" required:"" placeholder:"FILE|-" help:"File with the symmetric key in hexadecimal digits, - for standard input."`
	PublicKeyFile string `xor:"key" required:"" placeholder:"FILE|-" help:"File with the public key, PEM."`
}

// Help implements kong.HelpProvider.
func (DeviceRekeyCmd) Help() string {
	return "The key must suit the algorithm of the device.\n\nExample:\n\n" +
		"    openssl rand -hex 16 | hallmark --data ./data device rekey 000F0E0D0C0B0A0908070605 --key-hex-file -"
}

// Run gives a device another key.
func (cmd *DeviceRekeyCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	text, err := e.readKey(cmd.KeyHexFile + cmd.PublicKeyFile) // one of them is ""
	if err != nil {
		return err
	}
	key := operator.KeySpec{PublicKeyPEM: text}
	if cmd.KeyHexFile != "" {
		key = operator.KeySpec{KeyHex: strings.TrimSpace(text)}
	}
	d, err := c.RekeyDevice(ctx, cmd.Device, key)
	if err != nil {
		return err
	}
	return e.printFields(d)
}

// maxKeyFile is more than any key takes.
const maxKeyFile = 32 << 10

func (e *Env) readKey(path string) (string, error) {
	file, err := e.open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxKeyFile:
		return "", fmt.Errorf("%s is too long to be a key", path)
	case strings.TrimSpace(string(text)) == "":
		return "", fmt.Errorf("%s is empty: it should hold a key", path)
	}
	return string(text), nil
}

// open opens a file, or standard input for "-".
func (e *Env) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(e.Stdin), nil
	}
	return os.Open(path)
}
