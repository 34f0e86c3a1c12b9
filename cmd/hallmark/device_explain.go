package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// DeviceExplainCmd says why a code would be accepted or refused.
type DeviceExplainCmd struct {
	ID2         string `required:"" name:"id2" placeholder:"ID" help:"The device's ID²."`
	AuthCode    string `required:"" placeholder:"CODE|-" help:"The auth code (设备认证码); - for standard input."`
	Extra       string `placeholder:"TEXT" help:"The extra, as the back end sends it."`
	Product     string `placeholder:"PK" help:"The ProductKey, as the back end sends it; the device's own if not given."`
	EncryptData string `placeholder:"TEXT" help:"Also judge whether this can be encrypted for the device."`
}

// Help implements kong.HelpProvider.
func (DeviceExplainCmd) Help() string {
	return "Makes the checks of Verify, spends nothing, and is audited.\n\nExample:\n\n" +
		"    echo $CODE | hallmark --data ./data device explain --id2 000F0E0D0C0B0A0908070605 --auth-code -"
}

// Run says why.
func (cmd *DeviceExplainCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	code := cmd.AuthCode
	if code == "-" {
		if code, err = e.readKey("-"); err != nil {
			return err
		}
	}
	x, err := c.Explain(ctx, operator.ExplainSpec{ID2: cmd.ID2, AuthCode: strings.TrimSpace(code), Extra: cmd.Extra, ProductKey: cmd.Product, Data: cmd.EncryptData})
	if err != nil {
		return err
	}
	return e.show(x, func(out io.Writer) { writeExplanation(out, &x) })
}

func writeExplanation(out io.Writer, x *operator.Explanation) {
	t := table{header: []string{"STEP", "", "WHAT"}}
	for _, s := range x.Steps {
		t.add(s.Step, map[bool]string{true: "ok", false: "REFUSED"}[s.OK], s.Detail)
	}
	t.write(out)
	if message, err := hex.DecodeString(x.MessageHex); err == nil && len(message) > 0 {
		fmt.Fprintf(out, "\nsigned message: %q\n", message)
	}
	for _, hint := range x.Hints {
		fmt.Fprintln(out, "hint: "+plain(hint))
	}
	verdict := "it would be accepted"
	if !x.Accepted {
		verdict = fmt.Sprintf("it would be refused with %d: %s", x.Code, plain(x.Reason))
	}
	fmt.Fprintln(out, "\n"+verdict)
}
